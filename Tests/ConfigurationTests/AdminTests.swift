// `admin`: tokens come from a file or the environment, one of each.
import Fleet
import Testing

@testable import Configuration

@Suite struct AdminTests {
  private func admin(_ text: String) -> String {
    "listeners: [{listen: \":80\"}]\npools: {a: {endpoints: [\"10.0.0.1:1\"]}}\nadmin: \(text)\n"
  }

  @Test(
    arguments: [
      ("{}", nil, nil),
      ("{read_token: none, write_token: none}", nil, nil),
      ("{read_token: {file: /run/r}}", .file("/run/r"), nil),
      ("{write_token: {env: W_1}}", nil, .environment("W_1")),
      (
        "{read_token: {file: a b, env: none}, write_token: {env: _}}", .file("a b"),
        .environment("_")
      ),
    ] as [(String, TokenSource?, TokenSource?)])
  func tokensAreReadAndWrittenBack(_ text: String, _ read: TokenSource?, _ write: TokenSource?)
    throws
  {
    let file = try load(admin(text))
    #expect(file.fleet.adminTokens.read == read)
    #expect(file.fleet.adminTokens.write == write)
    #expect(try load(file.effective).fleet == file.fleet)
  }

  @Test(arguments: [
    ("{read_token: secret}", "3:21: `read_token` must be `none` or a mapping, not text"),
    ("{write_token: [a]}", "3:22: `write_token` must be `none` or a mapping, not a list"),
    ("{write_token: }", "3:22: `write_token` must be `none` or a mapping, not nothing"),
    ("{read_token: {}}", "3:21: `read_token` has one of `file` and `env`"),
    ("{read_token: {file: a, env: B}}", "3:21: `read_token` has one of `file` and `env`"),
    (
      "{read_token: {env: 1A}}",
      "3:27: `env` must be the name of an environment variable: letters, digits and `_`, "
        + "or `none`, not `1A`"
    ),
    ("{read_token: {path: a}}", "3:21: `read_token` has one of `file` and `env`"),
    (
      "{read_token: {env: A}, write_token: {env: A}}",
      "3:44: `read_token` and `write_token` are the same"
    ),
  ])
  func whatIsNoTokenIsRefused(_ text: String, _ message: String) {
    #expect(messages(admin(text)).contains(message), "\(messages(admin(text)))")
  }
}
