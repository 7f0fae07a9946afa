import Certificates
import Testing

@Suite struct CredentialsTests {
  @Test func theControlThreadComesAfterTheWorkers() {
    let credentials = Credentials(workerCount: 3)
    #expect(credentials.threadCount == 4)
    #expect(credentials.controlThread == 3)
    #expect(credentials.revision == 0)
  }
}
