// Patterns of paths (glob(7)), and the one name of a file that has several.
import CSystem

/// Finds files by patterns.
public enum FilePattern {
  /// The paths that a pattern matches, in no particular order; none if a directory cannot be read.
  /// `\` before a character of the pattern makes it stand for itself.
  public static func paths(_ pattern: String) -> [String] {
    var found = glob_t()
    defer { globfree(&found) }
    guard glob(pattern, GLOB_NOSORT, nil, &found) == 0 else { return [] }
    return (0..<Int(found.gl_pathc)).compactMap { index in
      found.gl_pathv[index].map { String(cString: $0) }
    }
  }

  /// The absolute path without links, which is the same for all names of one file; the path itself
  /// if there is no such file.
  public static func identity(_ path: String) -> String {
    guard let resolved = realpath(path, nil) else { return path }
    defer { free(resolved) }
    return String(cString: resolved)
  }
}
