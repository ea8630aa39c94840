/// The interface's description (OpenAPI 3.1), in the binary so that it is one file.
package enum OpenAPI {
    package static func document(version: String) -> String {
        "{\"openapi\":\"3.1.0\",\"info\":{\"title\":\"Godwit\",\"version\":\"\(version)\"},\"paths\":{}}"
    }
}
