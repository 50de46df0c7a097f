//! Where two digests differ, and the way from there down to the keys.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use super::{Digest, DigestProgress, DigestRequest, ListedRow, ModuleDigest, RowsDigest, digest};
use crate::View;
use crate::error::Error;

/// A range or a key in which two digests differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DigestDifference {
    /// The module.
    pub module: String,
    /// What the range's keys begin with; the key itself if it is one.
    pub prefix: Vec<u8>,
    /// Whether this is one key and not a range.
    pub is_key: bool,
    /// What the first digest has there; none for nothing.
    pub first: Option<RowsDigest>,
    /// What the second digest has there.
    pub second: Option<RowsDigest>,
}

/// Where two digests differ, as finely as both tell: modules in name order, ranges and keys in byte order.
///
/// # Errors
/// Digests of different parts, or cut differently.
pub fn digest_differences(first: &Digest, second: &Digest) -> Result<Vec<DigestDifference>, Error> {
    let asked = |digest: &Digest| DigestRequest { threads: 1, ..digest.request.clone() };
    if asked(first) != asked(second) {
        return Err(Error::DigestsApart { first: asked(first).into(), second: asked(second).into() });
    }
    let modules = |digest: &Digest| -> BTreeMap<String, ModuleDigest> {
        digest.modules.iter().map(|module| (module.module.clone(), module.clone())).collect()
    };
    let (firsts, seconds) = (modules(first), modules(second));
    let names: BTreeSet<&String> = firsts.keys().chain(seconds.keys()).collect();
    let mut differences = Vec::new();
    for name in names {
        let sides = (firsts.get(name), seconds.get(name));
        if sides.0.map(|module| module.whole) != sides.1.map(|module| module.whole) {
            in_module(name, &first.request, sides, &mut differences);
        }
    }
    Ok(differences)
}

fn in_module(
    name: &str,
    request: &DigestRequest,
    (first, second): (Option<&ModuleDigest>, Option<&ModuleDigest>),
    differences: &mut Vec<DigestDifference>,
) {
    let lists = |module: Option<&ModuleDigest>| module.is_none_or(|module| module.listed.is_some());
    let is_listed = lists(first) && lists(second) && !request.prefix.is_empty();
    let depth = request.prefix.len() + request.split_bytes;
    let parts = |module: Option<&ModuleDigest>| -> BTreeMap<Vec<u8>, RowsDigest> {
        match module {
            None => BTreeMap::new(),
            Some(module) if is_listed => keys(module.listed.as_deref().unwrap_or_default()),
            Some(module) => module.ranges.clone(),
        }
    };
    let (firsts, seconds) = (parts(first), parts(second));
    let prefixes: BTreeSet<&Vec<u8>> = firsts.keys().chain(seconds.keys()).collect();
    for prefix in prefixes {
        let (first, second) = (firsts.get(prefix).copied(), seconds.get(prefix).copied());
        if first != second {
            let is_key = is_listed || prefix.len() < depth;
            differences.push(DigestDifference {
                module: name.to_owned(),
                prefix: prefix.clone(),
                is_key,
                first,
                second,
            });
        }
    }
}

fn keys(listed: &[ListedRow]) -> BTreeMap<Vec<u8>, RowsDigest> {
    listed.iter().map(|row| (row.key.clone(), RowsDigest { rows: 1, digest: row.digest })).collect()
}

/// The keys of the first range in which two views differ; none if they do not. Each step reads only the range that the one
/// before has found.
///
/// # Errors
/// As [`digest`].
pub fn first_different_keys(
    first: &View,
    second: &View,
    threads: usize,
    progress: &mut dyn FnMut(DigestProgress) -> ControlFlow<()>,
) -> Result<Vec<DigestDifference>, Error> {
    let mut request = DigestRequest { threads, ..DigestRequest::default() };
    loop {
        let differences =
            digest_differences(&digest(first, &request, progress)?, &digest(second, &request, progress)?)?;
        let Some(found) = differences.first() else { return Ok(differences) };
        if found.is_key {
            return Ok(differences.into_iter().filter(|difference| difference.is_key).collect());
        }
        request.module = Some(found.module.clone());
        request.prefix = found.prefix.clone();
    }
}
