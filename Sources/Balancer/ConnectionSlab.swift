// The connection states of a worker, by the loop's connection index. Client connections and
// endpoint connections are in separate slabs, so that each slab is compact. Invariant: memory that
// no connection has used is not resident.
import CSystem
import IO

/// The slabs: client connections, endpoint connections, and destinations.
struct ConnectionSlab: ~Copyable {
  let downstream: UnsafeMutablePointer<Downstream>
  let upstream: UnsafeMutablePointer<Upstream>
  /// The destination of each client connection that has one.
  let destinations: UnsafeMutablePointer<Destination>
  private let capacity: Int

  init(capacity: Int) {
    self.capacity = capacity
    downstream = Self.map(capacity + ReusableClients.headCount)
    upstream = Self.map(capacity)
    destinations = Self.map(capacity)
  }

  deinit {
    Self.unmap(downstream, capacity + ReusableClients.headCount)
    Self.unmap(upstream, capacity)
    Self.unmap(destinations, capacity)
  }

  /// Maps memory that becomes resident only where it is touched.
  private static func map<Value>(_ capacity: Int) -> UnsafeMutablePointer<Value> {
    guard let memory = sy_map(capacity * MemoryLayout<Value>.stride) else {
      fatalError("out of memory for \(capacity) connections")
    }
    return memory.bindMemory(to: Value.self, capacity: capacity)
  }

  private static func unmap<Value>(_ memory: UnsafeMutablePointer<Value>, _ capacity: Int) {
    sy_unmap(memory, capacity * MemoryLayout<Value>.stride)
  }
}
