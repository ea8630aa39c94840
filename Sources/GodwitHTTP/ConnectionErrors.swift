import NIOCore

/// Errors of the connection itself, for which there is nobody to answer: the server below closes it.
enum ConnectionErrors {
    static func isOne(_ error: any Error) -> Bool {
        error is ChannelError || error is IOError || String(reflecting: type(of: error)).hasPrefix("NIOHTTP1.HTTPParserError")
    }
}
