//! What a restore takes from others: a manifest, chunks, and the stream in them.

#[path = "../../../../crates/ferry/src/export/chunk.rs"]
#[expect(unreachable_pub, reason = "the facade shows errors to its callers")]
pub(crate) mod chunk;
#[path = "../../../../crates/ferry/src/export/manifest.rs"]
#[expect(dead_code, unreachable_pub, reason = "the facade shows manifests to its callers")]
mod manifest;
#[path = "../../../../crates/ferry/src/export/record.rs"]
mod record;

use chunk::Expected;
use manifest::Manifest;
use record::{NoRecord, Record};

/// A manifest, as it is if it begins like one, else the bytes inside of one: nobody comes upon its checksum by chance.
pub(crate) fn manifest(bytes: &[u8]) {
    let sealed = [b"ferryexp".as_slice(), &1_u32.to_be_bytes(), bytes].concat();
    let sealed = [sealed.as_slice(), blake3::hash(&sealed).as_bytes()].concat();
    let is_whole = bytes.starts_with(b"ferryexp");
    let Ok(manifest) = Manifest::decode(if is_whole { bytes } else { &sealed }) else { return };
    assert_eq!(Manifest::decode(&manifest.encode()).as_ref().ok(), Some(&manifest), "a manifest reads back");
    let chunks: Vec<Expected> = (0..manifest.chunk_count()).filter_map(|index| manifest.expected(index)).collect();
    assert_eq!(chunks.len(), manifest.chunks.len(), "each chunk is known");
    assert!(chunks.iter().all(|chunk| (1..=manifest.chunk_bytes).contains(&chunk.payload_bytes)), "no chunk is empty");
    let bytes: u64 = chunks.iter().map(|chunk| u64::from(chunk.payload_bytes)).sum();
    assert_eq!(bytes, manifest.stream_bytes, "the chunks are the stream");
    assert!(manifest.expected(manifest.chunk_count()).is_none(), "nothing is behind the last");
}

/// A chunk that any sender may have made for a place that is known: it is taken if and only if it unpacks to the payload that
/// is known. And what is sent in good faith arrives.
///
/// ```text
/// u8 packing | u16 bytes of the payload, little endian | the packed payload
/// ```
pub(crate) fn chunk(bytes: &[u8]) {
    let Some(([packing, low, high], body)) = bytes.split_first_chunk::<3>() else { return };
    let length = u16::from_le_bytes([*low, *high]);
    let unpacked = match packing {
        0 => Some(body.to_vec()),
        1 => lz4_flex::block::decompress(body, length.into()).ok(),
        _ => None,
    };
    let payload = unpacked.filter(|payload| payload.len() == usize::from(length));
    let hash = chunk::hash(payload.as_deref().unwrap_or(body));
    let expected = Expected { height: 7, index: 3, payload_bytes: length.into(), hash };
    let place = [b"ferrychk".as_slice(), &1_u32.to_be_bytes(), &3_u32.to_be_bytes(), &7_u64.to_be_bytes()].concat();
    let sent = [&place, [*packing].as_slice(), &u32::from(length).to_be_bytes(), &hash, body].concat();
    assert_eq!(chunk::decode(&sent, &expected).ok(), payload);

    let any = chunk::decode(bytes, &expected);
    assert!(any.is_err() || any.ok() == payload, "a chunk that is another one is taken");
    let payload_bytes = u32::try_from(body.len()).expect("a fuzzer's input is short");
    let known = Expected { payload_bytes, hash: chunk::hash(body), ..expected };
    assert_eq!(chunk::decode(&chunk::encode(7, 3, body), &known).as_deref(), Ok(body));
}

/// The stream: the same records wherever it is cut into chunks, and each reads back from its own bytes.
pub(crate) fn stream(bytes: &[u8]) {
    let Some((first, stream)) = bytes.split_first() else { return };
    let (records, end) = records(stream);
    for record in &records {
        let mut own = Vec::new();
        record.put(&mut own);
        assert_eq!(Record::take(&own), Ok(Some((*record, own.len()))));
    }
    // As a restore does it: what a chunk leaves over goes before the next one.
    let (one, other) = stream.split_at(stream.len() * usize::from(*first) / 255);
    let (mut cut, early) = self::records(one);
    let left_over = match early {
        Ok(taken) => [&one[taken..], other].concat(),
        Err(refused) => return assert_eq!((cut, Err(refused)), (records, end)),
    };
    let (later, late) = self::records(&left_over);
    cut.extend(later);
    assert_eq!(cut, records);
    assert_eq!(late.map(|taken| taken + stream.len() - left_over.len()), end);
}

/// The records that the bytes begin with, and how many bytes they take, or what is wrong behind them.
fn records(bytes: &[u8]) -> (Vec<Record<'_>>, Result<usize, NoRecord>) {
    let (mut records, mut taken) = (Vec::new(), 0);
    loop {
        match Record::take(&bytes[taken..]) {
            Ok(Some((record, length))) => {
                records.push(record);
                taken += length;
            }
            Ok(None) => return (records, Ok(taken)),
            Err(refused) => return (records, Err(refused)),
        }
    }
}
