//! Chance without state: each draw is a pure function of seed, purpose, stable name and ordinal.
//!
//! The four become the key of a ChaCha stream of their own, so draws are independent, and asking for one more, for
//! another entity or another purpose, never changes those that were asked before. The name is the stable one
//! (`namespace/pod/container`), never an index or an address.
//!
//! Within a run all numbers are independent. From seed to seed they are spread: of each sixteen seeds that differ only
//! in their last four bits, every number takes a different sixteenth of its range (a Latin hypercube; McKay, Beckman
//! and Conover, Technometrics 21, 1979). Each seed alone has the distribution it would have without, but a dozen seeds
//! show the early, the usual and the late of a clock's phase where a dozen independent ones leave out an end of it, and
//! the variance of a mean over seeds is at most about what independent seeds give, so that an interval which takes them
//! as independent is on the safe side.

use super::chacha;
use super::distribution::Distribution;
use super::time::SimDuration;

use xxhash_rust::xxh3::xxh3_64;

/// What a draw decides; part of its key. Declare one per kind of decision, with a text that never changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Purpose(u64);

impl Purpose {
    /// A purpose by its unique text.
    pub const fn new(text: &'static str) -> Self {
        Self(xxhash_rust::const_xxh3::xxh3_64(text.as_bytes()))
    }
}

/// The stable name of an entity, hashed once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StreamKey(u64);

impl StreamKey {
    /// The key of an entity by its stable name, such as `default/web-0/app`.
    pub fn new(name: &str) -> Self {
        Self(xxh3_64(name.as_bytes()))
    }

    /// The key of an entity whose identity is itself a hash of its stable name.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The bits of the key.
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// The key of a part of the entity, such as a container of a pod.
    pub fn part(self, name: &str) -> Self {
        Self(self.0.rotate_left(23) ^ xxh3_64(name.as_bytes()))
    }
}

/// The source of all chance in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Draws {
    seed: u64,
}

impl Draws {
    /// The draws of a seed.
    pub const fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// The seed.
    pub const fn seed(self) -> u64 {
        self.seed
    }

    /// The n-th draw for a purpose of an entity.
    ///
    /// ```
    /// use podsim::engine::{Draws, Purpose, StreamKey};
    /// const LIFETIME: Purpose = Purpose::new("process lifetime");
    /// let draws = Draws::new(7);
    /// let web = StreamKey::new("default/web-0/app");
    /// assert_eq!(draws.draw(LIFETIME, web, 3).bits(), draws.draw(LIFETIME, web, 3).bits());
    /// assert_ne!(draws.draw(LIFETIME, web, 3).bits(), draws.draw(LIFETIME, web, 4).bits());
    /// ```
    pub fn draw(self, purpose: Purpose, entity: StreamKey, ordinal: u64) -> Draw {
        let [a, b, c, d] = [self.seed, purpose.0, entity.0, ordinal].map(|part| [part as u32, (part >> 32) as u32]);
        let strata = [purpose.0, entity.0, ordinal].into_iter().fold(self.seed / SPREAD, mixed);
        Draw { key: [a[0], a[1], b[0], b[1], c[0], c[1], d[0], d[1]], strata, words: [0; WORDS], taken: 0 }
    }

    /// The n-th value of a distribution for a purpose of an entity. A constant costs nothing.
    pub fn sample(self, what: &Distribution, purpose: Purpose, entity: StreamKey, ordinal: u64) -> SimDuration {
        match what {
            Distribution::Constant(span) => *span,
            _ => what.sample(&mut self.draw(purpose, entity, ordinal)),
        }
    }
}

/// One draw: a stream of random bits of its own, from which a decision takes what it needs.
#[derive(Debug, Clone)]
pub struct Draw {
    key: [u32; 8],
    /// What the seeds among which the numbers are spread have in common.
    strata: u64,
    /// The block of the stream that is being used up.
    words: [u32; WORDS],
    /// How many words of the stream were taken.
    taken: usize,
}

/// Words in a block.
const WORDS: usize = 16;

/// Seeds among which each number is spread.
const SPREAD: u64 = 16;

/// Joins a word to a hash (the finalizer of SplitMix64; Steele, Lea and Flood, OOPSLA 2014).
const fn mixed(hash: u64, word: u64) -> u64 {
    let z = (hash ^ word).wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The place of a member in an order of all sixteen that the random bits choose: a Feistel network of two halves of
/// two bits, each of its rounds a table of four entries.
const fn shuffled(member: u64, bits: u64) -> u64 {
    let (mut left, mut right, mut round) = (member >> 2 & 3, member & 3, 0);
    while round < 6 {
        (left, right) = (right, left ^ (bits >> (8 * round + 2 * right) & 3));
        round += 1;
    }
    left << 2 | right
}

impl Draw {
    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        let place = self.taken % WORDS;
        if place == 0 {
            self.words = chacha::block(self.key, (self.taken / WORDS) as u64);
        }
        let stratum = shuffled(u64::from(self.key[0]) % SPREAD, mixed(self.strata, self.taken as u64));
        self.taken += 2;
        (u64::from(self.words[place]) | u64::from(self.words[place + 1]) << 32) >> 4 | stratum << 60
    }

    /// A number in [0, 1) with 53 random bits.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// An integer in [0, n), each equally likely but for a bias below 2⁻⁶⁴·n.
    pub fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(n)) >> 64) as u64
    }

    /// A span in [shortest, longest), or `shortest` where that is empty.
    pub fn between(&mut self, shortest: SimDuration, longest: SimDuration) -> SimDuration {
        let width = longest.saturating_sub(shortest);
        shortest + SimDuration::from_nanos(self.below(width.as_nanos()))
    }

    /// Whether something of this probability happens.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// A standard normal variate (Box–Muller, one of the pair).
    pub fn normal(&mut self) -> f64 {
        let radius = libm::sqrt(-2.0 * libm::log(1.0 - self.unit()));
        radius * libm::cos(std::f64::consts::TAU * self.unit())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Purpose = Purpose::new("a");
    const B: Purpose = Purpose::new("b");

    #[test]
    fn every_part_of_the_key_matters() {
        let (x, y) = (StreamKey::new("default/x"), StreamKey::new("default/y"));
        let base = Draws::new(1).draw(A, x, 0).bits();
        for other in [
            Draws::new(2).draw(A, x, 0).bits(),
            Draws::new(1).draw(B, x, 0).bits(),
            Draws::new(1).draw(A, y, 0).bits(),
            Draws::new(1).draw(A, x, 1).bits(),
            Draws::new(1).draw(A, x.part("app"), 0).bits(),
        ] {
            assert_ne!(base, other);
        }
        assert_ne!(x.part("a").part("b"), x.part("b").part("a"));
    }

    #[test]
    fn the_stream_is_pinned() {
        // A change here changes every digest ever published: it needs a new major version.
        let mut draw = Draws::new(42).draw(A, StreamKey::new("default/web/app"), 7);
        assert_eq!([draw.bits(), draw.bits()], [PINNED.0, PINNED.1]);
    }

    #[test]
    fn of_sixteen_seeds_each_takes_another_part_of_the_range() {
        for name in 0..200 {
            let name = StreamKey::new(&format!("default/web-{name}"));
            for group in [0, 16, 1 << 40] {
                for number in 0..10 {
                    let stratum = |seed| {
                        let mut draw = Draws::new(group + seed).draw(A, name, 5);
                        (0..number).for_each(|_| _ = draw.bits());
                        draw.below(SPREAD)
                    };
                    let taken = (0..SPREAD).fold(0_u32, |taken, seed| taken | 1 << stratum(seed));
                    assert_eq!(taken, 0xffff);
                }
            }
        }
    }

    /// What one number of a seed is says nothing about another number, of the same draw or the next.
    #[test]
    fn spread_numbers_are_independent_of_each_other() {
        const N: u64 = 256 * 400;
        for next in [1, 2] {
            let mut seen = [[0_i64; 16]; 16];
            for n in 0..N {
                let key = StreamKey::from_bits(n / 16);
                let mut first = Draws::new(n % 16).draw(A, key, 0);
                let x = first.below(16) as usize;
                let y = if next == 1 { first.below(16) } else { Draws::new(n % 16).draw(A, key, 1).below(16) };
                seen[x][y as usize] += 1;
            }
            // 400 are expected in each of 256 fields: the sum has a mean of 256 and a deviation of 23.
            let squares: i64 = seen.iter().flatten().map(|count| (count - 400) * (count - 400)).sum();
            assert!((140..370).contains(&(squares / 400)), "{}", squares / 400);
        }
    }

    /// A mean over seeds scatters less than one of independent seeds: that of twelve by a factor of about three.
    #[test]
    fn means_over_seeds_scatter_less() {
        let means = (0..4_000).map(|n| {
            let unit = |seed| Draws::new(seed).draw(A, StreamKey::from_bits(n), 0).unit();
            (0..12).map(unit).sum::<f64>() / 12.0
        });
        let variance = means.map(|mean| (mean - 0.5) * (mean - 0.5)).sum::<f64>() / 4_000.0;
        let independent = 1.0 / 12.0 / 12.0;
        assert!(variance < independent / 2.5, "{variance} {independent}");
    }

    const PINNED: (u64, u64) = (15476358574798784105, 12467027980146081625);

    #[test]
    fn integers_stay_below_and_cover_the_range() {
        let mut seen = [0; 6];
        for n in 0..6_000 {
            seen[Draws::new(3).draw(A, StreamKey::new("die"), n).below(6) as usize] += 1;
        }
        assert!(seen.iter().all(|&count| (850..1_150).contains(&count)), "{seen:?}");
        assert_eq!(Draws::new(3).draw(A, StreamKey::new("die"), 0).below(0), 0);
    }
}
