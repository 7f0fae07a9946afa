import Primitives
import Testing

private struct Number: HeapElement {
  let value: Int
  func isBefore(_ other: Number) -> Bool { value < other.value }
}

@Suite struct BinaryHeapTests {
  @Test func givesWhatSortingGivesWhateverIsRemovedBetween() {
    var random = RandomSource(seed: 9)
    for _ in 0..<200 {
      var heap = BinaryHeap<Number>()
      var model: [Int] = []
      for _ in 0..<200 {
        switch random.index(below: 4) {
        case 0, 1:
          let value = random.index(below: 50)
          heap.insert(Number(value: value))
          model.append(value)
        case 2:
          model.sort()
          #expect(heap.popFirst()?.value == (model.isEmpty ? nil : model.removeFirst()))
        default:
          guard !heap.isEmpty else { continue }
          let removed = heap.remove(at: random.index(below: heap.count)).value
          model.remove(at: model.firstIndex(of: removed)!)
        }
        #expect(heap.count == model.count)
        #expect(heap.first?.value == model.min())
      }
    }
  }
}
