// The members with news from a turn, in an intrusive list: what one turn brings to a member is
// delivered together, and in order (AS-9).
extension EventLoop {
    /// Appends a member to the list.
    func addFresh(_ member: LoopMember) {
        let reference = unsafe Unmanaged.passUnretained(member)
        if let last = unsafe lastFresh {
            unsafe last._withUnsafeGuaranteedRef { unsafe $0.nextFresh = unsafe reference }
        } else {
            unsafe firstFresh = unsafe reference
        }
        unsafe lastFresh = unsafe reference
    }

    /// Removes a member from the list.
    func dropFresh(_ member: LoopMember) {
        var kept = unsafe firstFresh
        unsafe firstFresh = nil
        unsafe lastFresh = nil
        while let reference = unsafe kept {
            let current = unsafe reference.takeUnretainedValue()
            unsafe kept = unsafe current.nextFresh
            unsafe current.nextFresh = nil
            if current !== member { addFresh(current) }
        }
    }

    /// Makes all of them deliver their news.
    func tellFresh() {
        while let reference = unsafe firstFresh {
            unsafe reference._withUnsafeGuaranteedRef { member in
                unsafe firstFresh = unsafe member.nextFresh
                unsafe member.nextFresh = nil
                member.tellFresh()
            }
        }
        unsafe lastFresh = nil
    }

    /// Whether any member has news.
    var hasFresh: Bool { unsafe firstFresh != nil }
}
