/// The interface's description (OpenAPI 3.1), which is in the binary so that the server is one file. A test compares it with the routes.
package enum OpenAPI {
    package static var document: [UInt8] { PackageResources.openapi_json }
}
