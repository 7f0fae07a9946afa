// The TLS contexts of all threads, by the description that the configuration gives. Workers look
// their contexts up when the revision has changed; only the control thread publishes.
// Invariant: a revision that a thread has seen names contexts that are complete.
package import Fleet
package import IO
import Synchronization

/// The contexts in force. Any thread.
package final class Credentials: Sendable {
  struct Table: Sendable {
    /// By thread; nil for threads that accept no such connections.
    var servers: [CredentialKey: [ServerContext?]] = [:]
    /// By thread; nil for threads that open no such connections.
    var clients: [CredentialKey: [ClientContext?]] = [:]
  }

  /// The number of threads that have contexts: the workers, and the control thread as the last.
  package let threadCount: Int
  private let table = Mutex(Table())
  private let published = Atomic<UInt64>(0)

  /// Nothing is loaded. `workerCount`: the workers are the threads 0..<workerCount, the control
  /// thread is `workerCount`.
  package init(workerCount: Int) { threadCount = workerCount + 1 }

  /// The control thread's number.
  package var controlThread: Int { threadCount - 1 }

  /// Rises with every publication; 0: nothing is loaded.
  package var revision: UInt64 { published.load(ordering: .acquiring) }

  /// The context of a listener or of the admin address for one thread; nil: that description is not
  /// loaded. Takes a lock.
  package func server(
    _ tls: ServerTLS, offersHTTP2: Bool = false, thread: Int
  ) -> ServerContext? {
    let key = CredentialKey.server(tls.ofContext, offersHTTP2: offersHTTP2)
    return table.withLock { $0.servers[key]?[thread] ?? nil }
  }

  /// The context of connections that one thread opens; nil: that description is not loaded. Takes a
  /// lock.
  package func client(
    _ tls: ClientTLS, _ version: EndpointProtocol = .http1, thread: Int
  ) -> ClientContext? {
    let key = CredentialKey.client(tls.ofContext, version)
    return table.withLock { $0.clients[key]?[thread] ?? nil }
  }

  /// Puts other contexts in place of the present ones.
  func publish(_ next: Table) {
    table.withLock { $0 = next }
    published.add(1, ordering: .releasing)
  }

  /// Leaves out contexts that no fleet in use names.
  func drop(keeping next: Table) { table.withLock { $0 = next } }
}

extension ServerTLS {
  /// What its context depends on: descriptions that are equal in this share contexts.
  var ofContext: ServerTLS {
    var own = self
    own.strictTransport = nil
    return own
  }
}

extension ClientTLS {
  /// What its context depends on: the server's name belongs to each connection.
  var ofContext: ClientTLS {
    var own = self
    own.serverName = nil
    return own
  }
}
