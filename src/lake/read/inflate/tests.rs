//! Held against another library, in pieces and windows of all sizes, on sound streams and on damaged ones.

use std::io::Write as _;

use proptest::prelude::*;

use super::*;

/// What gives so many bytes at once at most.
struct Pieces<'a>(&'a [u8], usize);

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n_bytes = self.1.min(buffer.len());
        self.0.read(&mut buffer[..n_bytes])
    }
}

/// The content, decompressed so many bytes at a time.
fn decompress(stream: &[u8], n_piece: usize, n_chunk: usize) -> Result<Vec<u8>, String> {
    let (mut bits, mut inflate) = (Bits::new(Pieces(stream, n_piece)), Inflate::new());
    let (mut window, mut at) = (vec![0; HISTORY_BYTES + n_chunk], 0);
    let mut content = Vec::new();
    loop {
        let end = inflate.decompress(&mut bits, &mut window, at).map_err(|error| error.to_string())?;
        content.extend_from_slice(&window[at..end]);
        if end < window.len() {
            assert_eq!(inflate.n_bytes(), content.len() as u64);
            return Ok(content);
        }
        window.copy_within(end - HISTORY_BYTES..end, 0);
        at = HISTORY_BYTES;
    }
}

fn deflate(content: &[u8], level: u32, n_part: usize) -> Vec<u8> {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::new(level));
    for part in content.chunks(n_part) {
        encoder.write_all(part).unwrap();
        encoder.flush().unwrap();
    }
    encoder.finish().unwrap()
}

/// What another library makes of it.
fn expect(stream: &[u8]) -> Option<Vec<u8>> {
    let mut content = Vec::new();
    flate2::bufread::DeflateDecoder::new(stream).read_to_end(&mut content).ok().map(|_| content)
}

/// Contents that are compressed in different ways: as they are, by short codes, by long ones, by matches near and far.
fn content() -> impl Strategy<Value = Vec<u8>> {
    let bytes = |n_kinds: u8, n_most: usize| prop::collection::vec(0..n_kinds, 0..n_most);
    let lines = bytes(200, 600).prop_map(|numbers| {
        let line =
            |n: u8| format!("{{\"Contract\":\"HND{n:06}\",\"n\":{}}}\n", u32::from(n).wrapping_mul(2_654_435_761));
        numbers.into_iter().map(line).collect::<String>().into_bytes()
    });
    let skewed = prop::collection::vec(any::<u64>().prop_map(|n| n.trailing_zeros() as u8), 0..40_000);
    let far = (bytes(255, 300), 1..40_000_usize, 1..500_usize).prop_map(|(start, n_between, n_times)| {
        let between = std::iter::repeat_n(b'-', n_between);
        let again = start.clone().into_iter().cycle().take(start.len() * n_times.min(3));
        start.iter().copied().chain(between).chain(again).collect()
    });
    prop_oneof![bytes(255, 5_000), bytes(3, 5_000), lines, skewed, far]
}

proptest! {
    #[test]
    fn streams_are_unpacked_whole(
        content in content(), level in 0..10_u32, n_part in 1_000..200_000_usize,
        n_piece in 1..400_usize, n_chunk in 500..70_000_usize,
    ) {
        let stream = deflate(&content, level, n_part);
        prop_assert_eq!(decompress(&stream, n_piece, n_chunk), Ok(content));
    }

    #[test]
    fn damage_is_what_another_library_takes_for_it(
        content in content(), level in 0..10_u32, n_chunk in 500..70_000_usize,
        flips in prop::collection::vec((any::<prop::sample::Index>(), 0..8_u8), 1..4), is_early in any::<bool>(),
    ) {
        let mut stream = deflate(&content, level, usize::MAX);
        let n_bytes = if is_early { stream.len().min(120) } else { stream.len() };
        for (place, bit) in flips {
            stream[place.index(n_bytes)] ^= 1 << bit;
        }
        prop_assert_eq!(decompress(&stream, 100, n_chunk).ok(), expect(&stream));
    }
}

#[test]
fn each_kind_of_damage_has_its_name() {
    let check = |stream: &[u8], expected: Result<&[u8], &str>| {
        let found = decompress(stream, 1, 500);
        assert_eq!(found.as_deref().map_err(String::as_str), expected, "{stream:02x?}");
        assert_eq!(found.ok(), expect(stream), "{stream:02x?}");
    };
    let cut = Err("unexpected end of file");
    check(&[0x01, 0x01, 0x00, 0xfe, 0xff, 0x41], Ok(b"A"));
    check(&[0x01, 0x01, 0x00, 0xfe, 0xff], cut);
    check(&[0x01, 0x01, 0x00, 0xff, 0xff, 0x41], Err("invalid stored block lengths"));
    check(&[0x07], Err("invalid block type"));
    // Codes that are known beforehand: nothing; `A`; a match before any byte; a distance that does not exist.
    check(&[0x03, 0x00], Ok(b""));
    check(&[0x73, 0x04, 0x00], Ok(b"A"));
    check(&[0x73, 0x04], cut);
    check(&[0x03, 0x02, 0x00], Err("invalid distance too far back"));
    check(&[0x03, 0x3e, 0x00, 0x00], Err("invalid distance code"));
    check(&[0x1b, 0x03, 0x00], Err("invalid literal/length code"));
    // Codes of its own: too many; without lengths for them; the repetition of none; none for the end.
    check(&[0xfd, 0x00, 0x00], Err("too many length or distance symbols"));
    check(&[0x05, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00], Err("invalid code lengths set"));
    check(&[0x05, 0x00, 0x12, 0x00, 0x00, 0x00], Err("invalid bit length repeat"));
    check(&[0x05, 0x00, 0x90, 0xe0, 0x7f, 0x1b], Err("invalid code -- missing end-of-block"));
    check(&[], cut);
}
