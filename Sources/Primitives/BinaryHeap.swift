// A binary heap with a custom order, used for events that wait for their time.
// HOT PATH: no lock, no existential, no clock.

/// An element of a heap.
public protocol HeapElement {
  /// A strict weak order.
  func isBefore(_ other: Self) -> Bool
}

/// The first element is before all others, or equal to them.
@frozen public struct BinaryHeap<Element: HeapElement> {
  /// In heap order.
  public private(set) var elements: [Element] = []

  @inlinable public init() {}

  @inlinable public var first: Element? { elements.first }
  @inlinable public var count: Int { elements.count }
  @inlinable public var isEmpty: Bool { elements.isEmpty }

  public mutating func removeAll() { elements.removeAll(keepingCapacity: true) }

  public mutating func insert(_ element: Element) {
    elements.append(element)
    rise(elements.count - 1)
  }

  public mutating func popFirst() -> Element? {
    elements.isEmpty ? nil : remove(at: 0)
  }

  /// Removes the element at an index of `elements`.
  @discardableResult
  public mutating func remove(at index: Int) -> Element {
    let removed = elements[index]
    let last = elements.removeLast()
    guard index < elements.count else { return removed }
    elements[index] = last
    sink(index)
    rise(index)
    return removed
  }

  private mutating func rise(_ start: Int) {
    elements.withUnsafeMutableBufferPointer { heap in
      let element = heap[start]
      var child = start
      while child > 0 {
        let parent = (child - 1) / 2
        guard element.isBefore(heap[parent]) else { break }
        heap[child] = heap[parent]
        child = parent
      }
      heap[child] = element
    }
  }

  private mutating func sink(_ start: Int) {
    elements.withUnsafeMutableBufferPointer { heap in
      let element = heap[start]
      var parent = start
      while true {
        var child = 2 * parent + 1
        guard child < heap.count else { break }
        if child + 1 < heap.count, heap[child + 1].isBefore(heap[child]) { child += 1 }
        guard heap[child].isBefore(element) else { break }
        heap[parent] = heap[child]
        parent = child
      }
      heap[parent] = element
    }
  }
}

extension BinaryHeap: Sendable where Element: Sendable {}
