import Godwit

struct Sum: Job {
    typealias Output = Int
    static let name = "sum"
    var numbers: [Int]
}
