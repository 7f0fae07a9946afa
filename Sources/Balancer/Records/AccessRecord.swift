// What the access log needs of an exchange whose head is long gone when it ends: copied at its
// beginning, bounded field by field, in a slab beside the worker's connections.
// HOT PATH: no allocation, no lock, no existential, no clock.
import CSystem
import HTTP
import Primitives

/// One exchange's counts and texts. Trivial; the texts follow it in its place of the slab.
struct AccessRecord {
  /// A text and where it stands behind the record.
  enum Text: Int, CaseIterable {
    case target, userAgent, referer, requestID, pool, endpoint, method

    /// Longer ones are cut there.
    var byteCountMax: Int {
      switch self {
      case .target: 1_024
      case .userAgent, .referer: 256
      case .requestID: 128
      case .pool, .endpoint: 64
      case .method: 32
      }
    }
    fileprivate var offset: Int {
      switch self {
      case .target: 0
      case .userAgent: 1_024
      case .referer: 1_280
      case .requestID: 1_536
      case .pool: 1_664
      case .endpoint: 1_728
      case .method: 1_792
      }
    }
  }
  /// All texts together, with the client's address.
  static let textBytesMax = 1_824 + 46

  fileprivate var counts: (UInt16, UInt16, UInt16, UInt16, UInt16, UInt16, UInt16) =
    (0, 0, 0, 0, 0, 0, 0)
  var attempts = 0
  var receivedCount = 0
  var sentHeadCount = 0
  var sentContentCount = 0
  var firstByteAt: Nanoseconds?
}

/// The records of a worker's connections, by the loop's index. Memory that no exchange has touched
/// is not resident.
struct AccessRecordSlab: ~Copyable {
  private static let stride = 2_048
  private static let textStart = 128
  private let memory: UnsafeMutableRawPointer
  private let capacity: Int

  init(capacity: Int) {
    guard let memory = sy_map(capacity * Self.stride) else {
      fatalError("out of memory for \(capacity) log records")
    }
    self.memory = memory
    self.capacity = capacity
    assert(MemoryLayout<AccessRecord>.size <= Self.textStart)
    assert(Self.textStart + AccessRecord.textBytesMax <= Self.stride)
  }

  deinit { sy_unmap(memory, capacity * Self.stride) }

  /// The record at a connection's index.
  subscript(index: Int) -> UnsafeMutablePointer<AccessRecord> {
    (memory + index * Self.stride).assumingMemoryBound(to: AccessRecord.self)
  }

  /// Begins a record: all counts 0, no text.
  func begin(_ index: Int) { self[index].initialize(to: AccessRecord()) }

  /// Copies a text, as much of it as there is room for.
  func set(_ text: AccessRecord.Text, _ index: Int, _ bytes: UnsafeRawBufferPointer) {
    let count = min(bytes.count, text.byteCountMax)
    if let source = bytes.baseAddress {
      place(text, index).copyMemory(from: source, byteCount: count)
    }
    withUnsafeMutableBytes(of: &self[index].pointee.counts) {
      $0.storeBytes(of: UInt16(count), toByteOffset: 2 * text.rawValue, as: UInt16.self)
    }
  }

  /// The text; empty where none was set.
  func text(_ text: AccessRecord.Text, _ index: Int) -> UnsafeRawBufferPointer {
    let count = withUnsafeBytes(of: &self[index].pointee.counts) {
      $0.load(fromByteOffset: 2 * text.rawValue, as: UInt16.self)
    }
    return UnsafeRawBufferPointer(start: place(text, index), count: Int(count))
  }

  private func place(_ text: AccessRecord.Text, _ index: Int) -> UnsafeMutableRawPointer {
    memory + index * Self.stride + Self.textStart + text.offset
  }
}
