import Testing

@testable import EchoClient

@Suite(.timeLimit(.minutes(5)))
struct SplitMix64Tests {
    // The numbers of Vigna's splitmix64.c, which others publish for this seed as well.
    @Test func `it has the numbers that are published`() {
        var numbers = SplitMix64(seed: 1_234_567)
        #expect(numbers.next() == 6_457_827_717_110_365_317)
        #expect(numbers.next() == 3_203_168_211_198_807_973)
        #expect(numbers.next() == 9_817_491_932_198_370_423)
    }

    @Test func `each word is found again`() {
        var numbers = SplitMix64(seed: 0)
        for word in [0, 1, .max] + (0..<1000).map({ _ in numbers.next() }) {
            #expect(SplitMix64.unmixed(SplitMix64.mixed(word)) == word)
        }
    }
}
