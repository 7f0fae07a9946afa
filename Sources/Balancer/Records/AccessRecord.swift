// The access log's record of an exchange. Texts of the head are copied at the beginning, because
// the head is no longer valid at the end. Invariant: each text is bounded, and records are in a
// slab beside the worker's exchanges.
// HOT PATH: no allocation, no lock, no existential, no clock.
import CSystem
import HTTP
import Primitives

/// The counts and texts of one exchange. A trivial value; its texts follow it in the slab.
struct AccessRecord {
  /// The texts of a record.
  enum Text: Int, CaseIterable {
    case target, userAgent, referer, requestID, pool, endpoint, method

    /// The most bytes of the text. A longer text is cut there.
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
  /// The bytes of all texts together, including the client's address.
  static let textBytesMax = 1_824 + 46

  fileprivate var counts: (UInt16, UInt16, UInt16, UInt16, UInt16, UInt16, UInt16) =
    (0, 0, 0, 0, 0, 0, 0)
  var attempts = 0
  var receivedCount = 0
  var sentHeadCount = 0
  var sentContentCount = 0
  var firstByteAt: Nanoseconds?
}

/// The records of a worker's exchanges, by exchange index. Memory that no exchange has touched is
/// not resident.
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

  /// The record of the exchange with the index.
  subscript(index: Int) -> UnsafeMutablePointer<AccessRecord> {
    (memory + index * Self.stride).assumingMemoryBound(to: AccessRecord.self)
  }

  /// Begins a record with counts of 0 and no texts.
  func begin(_ index: Int) { self[index].initialize(to: AccessRecord()) }

  /// Copies a text, as many bytes as there is room for.
  func set(_ text: AccessRecord.Text, _ index: Int, _ bytes: UnsafeRawBufferPointer) {
    let count = min(bytes.count, text.byteCountMax)
    if let source = bytes.baseAddress {
      pointer(text, index).copyMemory(from: source, byteCount: count)
    }
    withUnsafeMutableBytes(of: &self[index].pointee.counts) {
      $0.storeBytes(of: UInt16(count), toByteOffset: 2 * text.rawValue, as: UInt16.self)
    }
  }

  /// The text; empty: none was set.
  func text(_ text: AccessRecord.Text, _ index: Int) -> UnsafeRawBufferPointer {
    let count = withUnsafeBytes(of: &self[index].pointee.counts) {
      $0.load(fromByteOffset: 2 * text.rawValue, as: UInt16.self)
    }
    return UnsafeRawBufferPointer(start: pointer(text, index), count: Int(count))
  }

  private func pointer(_ text: AccessRecord.Text, _ index: Int) -> UnsafeMutableRawPointer {
    memory + index * Self.stride + Self.textStart + text.offset
  }
}
