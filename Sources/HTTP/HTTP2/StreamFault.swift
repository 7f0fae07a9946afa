// Why a stream or a connection of HTTP/2 was ended by steelyard: for the peer an error code, for
// metrics and the log a label. Invariant: the reasons are finite in number.

/// A violation of HTTP/2 by the peer, or a limit that the peer exceeded.
public enum StreamFault: UInt8, CaseIterable, Sendable, BitwiseCopyable {
  // The connection is ended.
  case badPreface, badFrameSize, badStreamNumber, closedStream, badSettings, badFrame,
    headersInterrupted
  case compression, connectionWindow, settingsTimeout, headTimeout, pingTimeout
  // Floods: the connection is ended with ENHANCE_YOUR_CALM.
  case resetFlood, continuationFlood, settingsFlood, pingFlood, emptyFrameFlood, windowFlood
  case priorityFlood, headerBomb, unreadFlood
  // The stream is reset.
  case malformedHead, headTooLarge, streamWindow, contentLength, streamClosed
  /// More streams than announced. The peer may repeat the request, which nobody has seen: no other
  /// fault may have this code.
  case tooManyStreams
  /// No fault of the peer: what was to be sent to it does not fit, or memory is short.
  case unsent

  /// The whole connection is ended, with GOAWAY.
  public var endsConnection: Bool { rawValue < StreamFault.malformedHead.rawValue }

  /// The code that the peer is told.
  public var code: HTTP2Error {
    switch self {
    case .badPreface, .badStreamNumber, .badFrame, .headersInterrupted, .malformedHead,
      .contentLength, .badSettings:
      .protocolError
    case .badFrameSize: .frameSizeError
    case .compression: .compressionError
    case .connectionWindow, .streamWindow: .flowControlError
    case .settingsTimeout: .settingsTimeout
    case .headTimeout, .pingTimeout: .noError
    case .resetFlood, .continuationFlood, .settingsFlood, .pingFlood, .emptyFrameFlood,
      .windowFlood, .priorityFlood, .headerBomb, .unreadFlood, .headTooLarge:
      .enhanceYourCalm
    case .closedStream, .streamClosed: .streamClosed
    case .tooManyStreams: .refusedStream
    case .unsent: .internalError
    }
  }

  /// The label for metrics and logs; a finite set.
  public var label: String {
    switch self {
    case .badPreface: "bad_preface"
    case .badFrameSize: "bad_frame_size"
    case .badStreamNumber: "bad_stream_number"
    case .closedStream: "closed_stream"
    case .badSettings: "bad_settings"
    case .badFrame: "bad_frame"
    case .headersInterrupted: "headers_interrupted"
    case .compression: "compression"
    case .connectionWindow: "connection_window"
    case .settingsTimeout: "settings_timeout"
    case .headTimeout: "head_timeout"
    case .pingTimeout: "ping_timeout"
    case .resetFlood: "reset_flood"
    case .continuationFlood: "continuation_flood"
    case .settingsFlood: "settings_flood"
    case .pingFlood: "ping_flood"
    case .emptyFrameFlood: "empty_frame_flood"
    case .windowFlood: "window_flood"
    case .priorityFlood: "priority_flood"
    case .headerBomb: "header_bomb"
    case .unreadFlood: "unread_flood"
    case .malformedHead: "malformed_head"
    case .headTooLarge: "head_too_large"
    case .streamWindow: "stream_window"
    case .contentLength: "content_length"
    case .streamClosed: "stream_closed"
    case .tooManyStreams: "too_many_streams"
    case .unsent: "unsent"
    }
  }
}
