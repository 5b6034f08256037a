//! The first block of a ChaCha8 stream: all that most draws ever need.
//!
//! `rand_chacha` makes four blocks at a time, which is right for long streams; a draw takes one or two numbers from a
//! stream of its own. The block function follows Bernstein, "ChaCha, a variant of Salsa20" (2008), with a counter of 64
//! bits that starts at zero; the tests compare it with the library.

/// "expand 32-byte k".
const CONSTANTS: [u32; 4] = [0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574];
const DOUBLE_ROUNDS: usize = 4;

/// Sixteen words of the stream of a key, from a block on.
pub fn block(key: [u32; 8], counter: u64) -> [u32; 16] {
    let mut start = [0; 16];
    start[..4].copy_from_slice(&CONSTANTS);
    start[4..12].copy_from_slice(&key);
    (start[12], start[13]) = (counter as u32, (counter >> 32) as u32);
    let mut x = start;
    for _ in 0..DOUBLE_ROUNDS {
        for column in 0..4 {
            quarter_round(&mut x, [column, 4 + column, 8 + column, 12 + column]);
        }
        for column in 0..4 {
            quarter_round(&mut x, [column, 4 + (column + 1) % 4, 8 + (column + 2) % 4, 12 + (column + 3) % 4]);
        }
    }
    for (word, first) in x.iter_mut().zip(start) {
        *word = word.wrapping_add(first);
    }
    x
}

#[inline(always)]
fn quarter_round(x: &mut [u32; 16], [a, b, c, d]: [usize; 4]) {
    for (to, from, by, turn) in [(a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)] {
        x[to] = x[to].wrapping_add(x[from]);
        x[by] = (x[by] ^ x[to]).rotate_left(turn);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha8Rng;
    use rand_core::{Rng, SeedableRng};

    #[test]
    fn the_stream_is_that_of_the_library() {
        for seed in 0..200_u8 {
            let bytes: [u8; 32] =
                std::array::from_fn(|i| seed.wrapping_mul(37).wrapping_add((i as u8).wrapping_mul(seed)));
            let key = std::array::from_fn(|i| u32::from_le_bytes(std::array::from_fn(|j| bytes[4 * i + j])));
            let mut library = ChaCha8Rng::from_seed(bytes);
            for counter in 0..3 {
                assert_eq!(block(key, counter), std::array::from_fn(|_| library.next_u32()), "{seed} {counter}");
            }
        }
    }
}
