/// The interface's description (OpenAPI 3.1), which is in the binary so that the server is one file. A test compares it with the routes.
package enum OpenAPI {
    package static var document: [UInt8] { PackageResources.openapi_json }

    /// As a server says it that lets nobody in without a token.
    package static var documentWithTokens: [UInt8] {
        let text = String(decoding: document, as: UTF8.self)
        return Array(text.replacing(#""security": [{}, {"token": []}]"#, with: #""security": [{"token": []}]"#).utf8)
    }
}
