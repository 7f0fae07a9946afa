import Testing

@testable import Balancer

private func take(
  _ tags: inout ListenerTags, _ adopted: UInt64, _ count: (Int) -> UInt64
) -> UInt32? { tags.take(adopted: adopted, connectionCount: count) }

@Suite struct ListenerTagsTests {
  @Test func aTagIsUsedAgainWhenNothingOfItsListenerIsLeft() {
    var tags = ListenerTags()
    #expect(take(&tags, 0) { _ in 0 } == 0)
    #expect(take(&tags, 0) { _ in 0 } == 1)
    tags.retire(0, revision: 5)
    // A worker still accepts on tag 0; then one connection is left; then the tag is free.
    #expect(take(&tags, 4) { _ in 0 } == 2)
    #expect(take(&tags, 5) { $0 == 0 ? 1 : 0 } == 3)
    #expect(take(&tags, 5) { _ in 0 } == 0)
  }

  @Test func theirNumberHasAnEnd() {
    var tags = ListenerTags()
    for tag in 0..<ListenerTags.countMax {
      let taken = tags.take(adopted: 0) { _ in 0 }
      #expect(taken == UInt32(tag))
    }
    #expect(take(&tags, 9) { _ in 0 } == nil)
    tags.retire(7, revision: 1)
    #expect(take(&tags, 9) { _ in 0 } == 7)
  }
}
