// Presets of what surrounds a server: its host, GPUs, container and process. Also the preset for a
// page of the operator's own.

extension Preset {
  static let node = Preset(
    "node", "Prometheus node_exporter: the host's CPU, memory and disk", port: 9100,
    advice: "A host of several endpoints has one page: each of them gets the same numbers.",
    signals: [
      SignalSpec(
        "cpu",
        .rateRatio(
          .init(["node_cpu_seconds_total"], labels: [.is("mode", ["idle", "iowait", "steal"])]),
          ["node_cpu_seconds_total"]),
        isComplement: true, thresholds: .cpu, isRatio: true),
      SignalSpec(
        "memory",
        .valueRatio(["node_memory_MemAvailable_bytes"], ["node_memory_MemTotal_bytes"]),
        isComplement: true, thresholds: .memory, isRatio: true),
      SignalSpec(
        "disk_io",
        .rate(
          .init(
            ["node_disk_io_time_seconds_total"],
            // Neither devices that repeat the work of others under a second name, nor memory
            // devices.
            labels: [.doesNotMatch("device", "(dm-|fd|loop|md|nbd|ram|sr|zram)[0-9]+.*")])),
        aggregate: .max, thresholds: .disk),
      // The share of time in which some task waited (kernel documentation, accounting/psi).
      SignalSpec("cpu_pressure", .rate(["node_pressure_cpu_waiting_seconds_total"])),
      SignalSpec("memory_pressure", .rate(["node_pressure_memory_waiting_seconds_total"])),
      SignalSpec("io_pressure", .rate(["node_pressure_io_waiting_seconds_total"])),
    ])

  static let dcgm = Preset(
    "dcgm", "NVIDIA dcgm-exporter: the host's busiest GPU", port: 9400,
    advice: "It shows all GPUs of a host: choose an endpoint's own with `labels: {gpu: "
      + "\"0\"}`.",
    signals: [
      SignalSpec(
        "gpu", .value(["DCGM_FI_DEV_GPU_UTIL"]), aggregate: .max, scale: 0.01, thresholds: .gpu,
        isRatio: true),
      SignalSpec("tensor_active", .value(["DCGM_FI_PROF_PIPE_TENSOR_ACTIVE"]), aggregate: .max),
      SignalSpec("dram_active", .value(["DCGM_FI_PROF_DRAM_ACTIVE"]), aggregate: .max),
    ])

  /// Cgroups that are not containers have no image.
  private static let isContainer = SampleSelector.LabelMatch.isNot("image", [""])

  static let cadvisor = Preset(
    "cadvisor", "cAdvisor: a container with limits; choose it with `labels`", port: 8080,
    advice: "It shows all containers of a host: choose the endpoint's with `labels: {name: "
      + "NAME}`. Without a CPU quota there is no `cpu`, without a memory limit no "
      + "`memory`.",
    signals: [
      // The quota is in µs per 100 ms.
      SignalSpec(
        "cpu",
        .rateOverValue(
          .init(["container_cpu_usage_seconds_total"], labels: [isContainer]),
          .init(["container_spec_cpu_quota"], labels: [isContainer])),
        scale: 100_000, thresholds: .cpu, isRatio: true),
      SignalSpec(
        "memory",
        .valueRatio(
          .init(["container_memory_working_set_bytes"], labels: [isContainer]),
          .init(["container_spec_memory_limit_bytes"], labels: [isContainer])),
        thresholds: .memory, isRatio: true),
      SignalSpec(
        "throttled",
        .rateRatio(
          .init(["container_cpu_cfs_throttled_periods_total"], labels: [isContainer]),
          .init(["container_cpu_cfs_periods_total"], labels: [isContainer]))),
    ])

  static let process = Preset(
    "process", "A Prometheus client's process metrics; give `cpu` a scale of 1 / cores",
    advice: "`cpu` is in cores: with `scale: 0.25, normal: 0.7, alarm: 0.85` it is a load "
      + "of four.",
    signals: [
      SignalSpec("cpu", .rate(["process_cpu_seconds_total"])),
      SignalSpec("memory_bytes", .value(["process_resident_memory_bytes"])),
      SignalSpec("open_files", .valueRatio(["process_open_fds"], ["process_max_fds"])),
    ])

  static let json = Preset(
    "json", "A home-made page: {\"cpu_usage\": 0..100, \"memory_usage\": 0..100}", format: .json,
    advice: "Percent, 0 to 100.",
    signals: [
      SignalSpec(
        "cpu", .value(["cpu_usage"]), scale: 0.01, thresholds: .cpu, isRatio: true),
      SignalSpec(
        "memory", .value(["memory_usage"]), scale: 0.01, thresholds: .memory, isRatio: true),
    ])
}
