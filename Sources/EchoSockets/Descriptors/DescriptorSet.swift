import Synchronization

/// A set of descriptors, queried at each receive: one bit each, read without a lock.
///
/// Pages of bits are allocated on first use, and kept. Any thread.
@safe
final class DescriptorSet: @unchecked Sendable {
    private static let pageBits = 1 << 15
    private static let pageCount = 1 << 16
    private let pages: UnsafeMutablePointer<Atomic<UnsafeMutablePointer<Atomic<UInt64>>?>>

    /// An empty set.
    init() {
        unsafe pages = .allocate(capacity: Self.pageCount)
        for index in 0..<Self.pageCount { unsafe (pages + index).initialize(to: Atomic(nil)) }
    }

    deinit {
        for index in 0..<Self.pageCount {
            unsafe pages[index].load(ordering: .relaxed)?.deallocate()
        }
        unsafe pages.deinitialize(count: Self.pageCount)
        unsafe pages.deallocate()
    }

    /// Whether the set contains a descriptor.
    func contains(_ number: CInt) -> Bool {
        guard let (word, mask) = unsafe place(of: number) else { return false }
        return unsafe word.pointee.load(ordering: .relaxed) & mask != 0
    }

    /// Inserts a descriptor.
    func insert(_ number: CInt) {
        guard number >= 0 else { return }
        makePage(Int(number) / Self.pageBits)
        guard let (word, mask) = unsafe place(of: number) else { return }
        unsafe word.pointee.bitwiseOr(mask, ordering: .relaxed)
    }

    /// Removes a descriptor.
    ///
    /// - Returns: whether it was there.
    func remove(_ number: CInt) -> Bool {
        guard let (word, mask) = unsafe place(of: number) else { return false }
        return unsafe word.pointee.bitwiseAnd(~mask, ordering: .relaxed).oldValue & mask != 0
    }

    private func place(
        of number: CInt
    ) -> (word: UnsafeMutablePointer<Atomic<UInt64>>, mask: UInt64)? {
        guard number >= 0 else { return nil }
        let (page, bit) = Int(number).quotientAndRemainder(dividingBy: Self.pageBits)
        guard let words = unsafe pages[page].load(ordering: .acquiring) else { return nil }
        return unsafe (words + bit / 64, 1 << UInt64(bit % 64))
    }

    private func makePage(_ index: Int) {
        guard unsafe pages[index].load(ordering: .acquiring) == nil else { return }
        let count = Self.pageBits / 64
        let page = UnsafeMutablePointer<Atomic<UInt64>>.allocate(capacity: count)
        for word in 0..<count { unsafe (page + word).initialize(to: Atomic(0)) }
        let (isMine, _) = unsafe pages[index].compareExchange(
            expected: nil,
            desired: page,
            ordering: .acquiringAndReleasing
        )
        if !isMine { unsafe page.deallocate() }
    }
}
