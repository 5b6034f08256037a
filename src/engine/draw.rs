//! Chance without state: each draw is a pure function of seed, purpose, stable name and ordinal.
//!
//! The four become the key of a ChaCha stream of their own, so draws are independent, and asking for one more, for
//! another entity or another purpose, never changes those that were asked before. The name is the stable one
//! (`namespace/pod/container`), never an index or an address.

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
        Draw { key: [a[0], a[1], b[0], b[1], c[0], c[1], d[0], d[1]], words: [0; WORDS], taken: 0 }
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
    /// The block of the stream that is being used up.
    words: [u32; WORDS],
    /// How many words of the stream were taken.
    taken: usize,
}

/// Words in a block.
const WORDS: usize = 16;

impl Draw {
    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        let place = self.taken % WORDS;
        if place == 0 {
            self.words = chacha::block(self.key, (self.taken / WORDS) as u64);
        }
        self.taken += 2;
        u64::from(self.words[place]) | u64::from(self.words[place + 1]) << 32
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

    const PINNED: (u64, u64) = (7814064238556374683, 15005006945241789845);

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
