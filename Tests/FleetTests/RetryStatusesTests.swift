import Fleet
import Testing

@Suite struct RetryStatusesTests {
  @Test func holdsWhatItWasGivenAndNothingElse() {
    let given = [400, 429, 463, 464, 500, 502, 527, 528, 591, 592, 599]
    let set = RetryStatuses(given)
    #expect((-1_000...1_000).filter(set.contains) == given)
    #expect(set.statuses == given)
    #expect(RetryStatuses([399, 600, 200, 0, -1, .min, .max]).statuses == [])
    #expect(RetryStatuses([503, 500, 503]) == RetryStatuses([500, 503]))
  }
}
