// Families of reloads. Catalogue.swift says how one is added.
import Exposition

extension MetricSection {
  static let configuration = MetricSection(
    "Configuration",
    [
      .configLastReloadSuccessful,
      .configLastReloadSuccessTimestampSeconds,
    ])
}

extension MetricFamily {
  static let configLastReloadSuccessful = MetricFamily(
    "steelyard_config_last_reload_successful", .gauge,
    help: "1 where the last reload of the configuration was taken, 0 where it was refused.",
    meaning:
      "1 where the last reload was taken, or none was asked for; 0 where it was refused: the "
      + "configuration before it is in force")
  static let configLastReloadSuccessTimestampSeconds = MetricFamily(
    "steelyard_config_last_reload_success_timestamp_seconds", .gauge,
    help: "When the configuration in force was taken, seconds since 1970.")
}
