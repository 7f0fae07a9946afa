// What others see of this process's memory.
import CSystem

/// The memory of this process, with the private keys in it.
package enum ProcessMemory {
  /// From now on neither core dumps nor debuggers of the same user show the memory (prctl(2),
  /// PR_SET_DUMPABLE). Root still sees it.
  package static func hide() { _ = sy_hide_memory() }
}
