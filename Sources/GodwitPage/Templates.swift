import Mustache

/// What a template is filled with.
typealias View = [String: any Sendable]

/// The page's templates, which are in the binary.
enum Templates {
    private static let sources: [String: [UInt8]] = [
        "page": PackageResources.page_mustache,
        "queues": PackageResources.queues_mustache,
        "find": PackageResources.find_mustache,
        "queue": PackageResources.queue_mustache,
        "filter": PackageResources.filter_mustache,
        "jobs": PackageResources.jobs_mustache,
        "job": PackageResources.job_mustache,
        "content": PackageResources.content_mustache,
        "deed": PackageResources.deed_mustache,
        "workers": PackageResources.workers_mustache,
        "schedules": PackageResources.schedules_mustache,
        "confirm": PackageResources.confirm_mustache,
        "login": PackageResources.login_mustache,
        "message": PackageResources.message_mustache,
        "facts": PackageResources.facts_mustache,
        "state": PackageResources.state_mustache,
    ]

    private static let library: MustacheLibrary = {
        MustacheContentTypes.register(PageEscaping(), named: PageEscaping.name)
        var library = MustacheLibrary()
        for (name, source) in sources {
            // Each template says it for itself, for the engine begins each with its own escaping, those that stand in others too.
            let text = "{{% CONTENT_TYPE: \(PageEscaping.name)}}" + String(decoding: source, as: UTF8.self)
            do { try library.register(text, named: name) } catch {
                preconditionFailure("the template \(name) is in the binary and cannot be read: \(error)")
            }
        }
        return library
    }()

    static var names: [String] { sources.keys.sorted() }

    /// The template's text, as it is in the binary.
    static func source(_ name: String) -> String { String(decoding: sources[name] ?? [], as: UTF8.self) }

    static func render(_ name: String, _ view: View) -> String {
        guard let text = library.render(view, withTemplate: name) else {
            preconditionFailure("there is no template \(name): the page names one that is not in its list")
        }
        return text
    }
}

extension Optional where Wrapped: Sendable {
    /// What a template takes for "not there", wherever it looks for the name.
    var orFalse: any Sendable {
        guard let self else { return false }
        return self
    }
}
