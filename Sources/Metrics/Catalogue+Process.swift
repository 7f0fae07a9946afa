// Families of the sources of endpoints, the access log, the admin address and the process.
import Exposition

extension MetricSection {
  static let discovery = MetricSection(
    "Where endpoints come from",
    [
      .dnsResolutionsTotal,
      .dnsLastSuccessTimestampSeconds,
      .dnsAddresses,
      .discoveryUp,
      .discoveryEndpoints,
      .discoveryHeldBack,
      .discoveryEmptyKept,
      .discoveryAnswersTotal,
      .discoveryFailuresTotal,
      .discoveryLastSuccess,
      .discoveryLastChange,
      .endpointsLimit,
      .poolEndpointsLeftOut,
    ])
}

extension MetricFamily {
  static let dnsResolutionsTotal = MetricFamily(
    "steelyard_dns_resolutions_total", .counter, ["host", "result"],
    help: "Questions for the addresses of a host name, by how they ended.",
    meaning:
      "Questions for the addresses of a host name: `ok`, `failed`, `timeout` (no answer in time; "
      + "what comes later still counts)")
  static let dnsLastSuccessTimestampSeconds = MetricFamily(
    "steelyard_dns_last_success_timestamp_seconds", .gauge, ["host"],
    help: "When a host name last had an address, seconds since 1970.",
    meaning: "When it last had an address; no sample where it never had")
  static let dnsAddresses = MetricFamily(
    "steelyard_dns_addresses", .gauge, ["host"],
    help: "Addresses of a host name that are in use.",
    meaning: "Its addresses that are in use")
  static let endpointsLimit = MetricFamily(
    "steelyard_endpoints_limit", .gauge,
    help: "The number of endpoints that all pools together may have.",
    meaning: "The number of endpoints that all pools together may have: `limits.endpoints`")
  static let poolEndpointsLeftOut = MetricFamily(
    "steelyard_pool_endpoints_left_out", .gauge, ["pool"],
    help: "Endpoints that the pool should have and that are not used for lack of room.",
    meaning: "Endpoints that the pool should have and that are not used, because as many as "
      + "`limits.endpoints` are in use")
}

extension MetricSection {
  static let accessLog = MetricSection(
    "Access log",
    [
      .accessLogLinesTotal,
      .accessLogDroppedTotal,
      .accessLogWriteErrorsTotal,
    ])
}

extension MetricFamily {
  static let accessLogLinesTotal = MetricFamily(
    "steelyard_access_log_lines_total", .counter,
    help: "Lines that the access log took.",
    meaning: "Lines that the [access log](operations.md) took")
  static let accessLogDroppedTotal = MetricFamily(
    "steelyard_access_log_dropped_total", .counter, ["reason"],
    help: "Lines that the access log had no room for, by what its destination did.",
    meaning: "Lines that it had no room for: `slow` (they came faster than they could be written), "
      + "`failing` (nothing can be written: a full disk, a FIFO that nobody reads)")
  static let accessLogWriteErrorsTotal = MetricFamily(
    "steelyard_access_log_write_errors_total", .counter,
    help: "Writes to the access log that failed; they are tried again.",
    meaning: "Writes that failed; they are tried again")
}

extension MetricSection {
  static let admin = MetricSection("The admin address", [.adminRequestsTotal])
}

extension MetricFamily {
  static let adminRequestsTotal = MetricFamily(
    "steelyard_admin_requests_total", .counter, ["code"],
    help: "Requests to the admin address, by class of status code.",
    meaning: "Requests to the [admin address](admin-api.md): `2xx`, `3xx`, `4xx`, `5xx`")
}

extension MetricSection {
  static let process = MetricSection(
    "The process",
    [
      .buildInfo,
      .workers,
      .processCpuSecondsTotal,
      .processResidentMemoryBytes,
      .processVirtualMemoryBytes,
      .processOpenFds,
      .processMaxFds,
      .processThreads,
      .processStartTimeSeconds,
    ])
}

extension MetricFamily {
  static let buildInfo = MetricFamily(
    "steelyard_build_info", .info, ["version"],
    help: "1, with the version as a label.",
    meaning: "1")
  static let workers = MetricFamily(
    "steelyard_workers", .gauge,
    help: "Worker threads.")
  static let processCpuSecondsTotal = MetricFamily(
    "process_cpu_seconds_total", .counter,
    help: "User and system CPU time in seconds.",
    meaning: "User and system CPU time")
  static let processResidentMemoryBytes = MetricFamily(
    "process_resident_memory_bytes", .gauge,
    help: "Resident memory in bytes.",
    meaning: "Resident memory")
  static let processVirtualMemoryBytes = MetricFamily(
    "process_virtual_memory_bytes", .gauge,
    help: "Virtual memory in bytes.",
    meaning: "Virtual memory")
  static let processOpenFds = MetricFamily(
    "process_open_fds", .gauge,
    help: "Open file descriptors.")
  static let processMaxFds = MetricFamily(
    "process_max_fds", .gauge,
    help: "The limit of open file descriptors.",
    meaning: "Their limit")
  static let processThreads = MetricFamily(
    "process_threads", .gauge,
    help: "Threads of the process.",
    meaning: "Threads")
  static let processStartTimeSeconds = MetricFamily(
    "process_start_time_seconds", .gauge,
    help: "Start of the process, seconds since 1970.")
}
