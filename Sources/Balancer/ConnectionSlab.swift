// The state of a worker's connections, by the loop's index. Clients' and endpoints' connections
// lie apart, so that each slab is compact; memory that no connection has used is not resident.
import CSystem
import IO

/// The slab. Downstream and upstream state and exchanges are separate, so that each is compact.
struct ConnectionSlab: ~Copyable {
  let downstream: UnsafeMutablePointer<Downstream>
  let upstream: UnsafeMutablePointer<Upstream>
  /// Destinations of the connections that have one.
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
