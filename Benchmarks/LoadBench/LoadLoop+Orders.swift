// Takes orders until their end, one after another. Endpoints are served all the time.
import CSystem

extension LoadLoop {
  mutating func serve() {
    say(Report.ready(ports: endpoints.ports))
    while true {
      while let line = orders.next() { follow(line) }
      if orders.isEnded { return }
      turn(until: .max)
    }
  }

  private mutating func follow(_ line: String) {
    do throws(OrderError) {
      switch try Order(line) {
      case .drive(let order): run(order)
      case .stream(let order): run(order)
      case .idle(let order): run(order)
      case .close: closeIdle()
      }
    } catch {
      say(Report.error(error.message))
    }
  }
}
