import Foundation
import Godwit

struct Greet: Job {
    typealias Output = String
    static let name = "greet"
    var who: String
}

struct Note: Job, Equatable {
    static let name = "note"
    static let queue = "notes"
    var text: String
}

struct Dated: Job {
    typealias Output = Date
    static let name = "dated"
    var at: Date
    var blob: Data
}

/// Everything that a job's type can say, written as one would who has not read how.
struct Careful: Job {
    static let name = "careful"
    static let queue = "careful"
    static let priority = 7
    static let delay = Duration.seconds(60)
    static let expires = Duration.seconds(600)
    static let timeout = Duration.seconds(5)
    static let maxAttempts = 3
}

struct Boom: Error {}
