import HTTP
import Primitives
import Testing

@testable import Balancer

@Suite struct FailureDriverTests {
  private let client = IPAddress(v4: 0x7F00_0001)

  private func note(_ reason: FailureReason, endpointIndex: Int32 = -1) -> FailureNote {
    FailureNote(reason: reason, end: .answered(502), client: client, endpointIndex: endpointIndex)
  }

  private func taken(_ reports: FailureDriver) -> [FailureNote] {
    var notes: [FailureNote] = []
    reports.take { notes.append($0) }
    return notes
  }

  @Test func everyNoteIsCountedAndTold() {
    let reports = FailureDriver(workerCount: 2, endpointLimit: 3)
    let notes = [
      note(.malformed(.bareLF)), note(.malformed(.severalTransferEncodings), endpointIndex: 2),
      note(.connection(.resetInHead), endpointIndex: 1),
    ]
    for each in notes { reports.report(each, worker: 0) }
    reports.report(notes[2], worker: 1)
    #expect(taken(reports) == notes + [notes[2]])
    #expect(taken(reports) == [])
    #expect(reports.malformed(.client, .bareLF) == 1)
    #expect(reports.malformed(.endpoint, .bareLF) == 0)
    #expect(reports.malformed(.endpoint, .severalTransferEncodings) == 1)
    #expect(reports.connections(endpointIndex: 1, .resetInHead) == 2)
    #expect(reports.lostCount == 0)
    reports.clear(endpointIndex: 1)
    #expect(reports.connections(endpointIndex: 1, .resetInHead) == 0)
    #expect(reports.malformed(.endpoint, .severalTransferEncodings) == 1)
  }

  @Test func whatFindsNoRoomIsCounted() {
    let reports = FailureDriver(workerCount: 1, endpointLimit: 1)
    for _ in 0..<5_000 { reports.report(note(.connection(.refused), endpointIndex: 0), worker: 0) }
    let told = taken(reports)
    #expect(told.count >= 1_000)
    #expect(told.count + Int(reports.lostCount) == 5_000)
    #expect(told.allSatisfy { $0 == note(.connection(.refused), endpointIndex: 0) })
    #expect(reports.connections(endpointIndex: 0, .refused) == 5_000)
    // The ring's end is between two notes.
    for _ in 0..<700 {
      reports.report(note(.malformed(.badTrailer)), worker: 0)
      #expect(taken(reports) == [note(.malformed(.badTrailer))])
    }
  }

  @Test func everyReasonHasAWordAndASentenceOfItsOwn() {
    let reasons =
      HeadError.allCases.map(FailureReason.malformed)
      + ConnectionFailure.allCases.map(FailureReason.connection)
    #expect(Set(reasons.map(\.label)).count == reasons.count)
    #expect(Set(reasons.map(\.text)).count == reasons.count)
    for (index, error) in HeadError.allCases.enumerated() {
      #expect(Int(error.rawValue) == index)
    }
  }
}
