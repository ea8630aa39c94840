/// The jobs of a model by number: those of which nothing is left take no room, for all of them are looked through all the time.
struct JobTable {
    /// In the order of their numbers.
    private(set) var all: [ModelJob] = []
    /// Theirs, at the same places.
    private var numbers: [Int] = []

    subscript(number: Int) -> ModelJob? {
        get {
            let place = place(of: number)
            return place < numbers.count && numbers[place] == number ? all[place] : nil
        }
        set {
            let place = place(of: number), isThere = place < numbers.count && numbers[place] == number
            switch (newValue, isThere) {
            case (let job?, true): all[place] = job
            case (let job?, false):
                all.insert(job, at: place)
                numbers.insert(number, at: place)
            case (nil, true):
                all.remove(at: place)
                numbers.remove(at: place)
            case (nil, false): break
            }
        }
    }

    /// Where a number is, or belongs.
    private func place(of number: Int) -> Int {
        guard let last = numbers.last, number <= last else { return numbers.count }
        var low = 0, high = numbers.count - 1
        while low < high {
            let middle = (low + high) / 2
            if numbers[middle] < number { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
