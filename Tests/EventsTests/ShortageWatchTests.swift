import Events
import Primitives
import Testing

@Suite struct ShortageWatchTests {
  @Test func aShortageBeginsOnceAndEndsAfterAWhileWithout() {
    var watch = ShortageWatch()
    #expect(watch.look(0, now: .seconds(1)) == nil)
    #expect(watch.look(3, now: .seconds(2)) == .began(3))
    #expect(watch.look(3, now: .seconds(20)) == nil)
    #expect(watch.look(5, now: .seconds(30)) == nil)
    #expect(watch.look(5, now: .seconds(59)) == nil)
    #expect(watch.look(5, now: .seconds(60)) == .ended(5, lasted: .seconds(28)))
    #expect(watch.look(5, now: .seconds(90)) == nil)
    #expect(watch.look(6, now: .seconds(91)) == .began(1))
    #expect(watch.look(6, now: .seconds(121)) == .ended(1, lasted: .zero))
  }
}
