//! The migration's own records in the stores: where they are looked up and what they say together.

use boundary::{BOUNDARY_KEY, Boundary, MIGRATION_STORE, VERSION_KEY, decode_version, encode_version};
use bytes::Bytes;
use changeset::{KvPair, NamedChangeSet, Read};

use crate::error::Error;

/// The two records, as a store holds them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// The version record's value; none if it is absent.
    pub version: Option<u64>,
    /// The boundary; none if the record is absent.
    pub boundary: Option<Boundary>,
}

impl Metadata {
    /// Reads both records from the new store.
    ///
    /// # Errors
    /// A record that does not decode, an error of the store.
    pub fn read(new: &impl Read) -> Result<Self, Error> {
        let boundary = new.get(MIGRATION_STORE, BOUNDARY_KEY).map_err(Error::new("reading the boundary record"))?;
        Ok(Self {
            version: read_version(new).map_err(|error| error.at(Error::new("reading the version record")))?,
            boundary: boundary.map(|record| Boundary::decode(&record)).transpose()?,
        })
    }

    /// Whether the new store takes part in the commit info because of these records. A boundary that says "not started"
    /// does not count.
    pub fn establishes_new_store(&self) -> bool {
        self.version.is_some() || self.boundary.as_ref().is_some_and(|boundary| *boundary != Boundary::NotStarted)
    }
}

/// Whether the store that `reader` reaches is at migration version `version`. An absent record is version 0.
///
/// # Errors
/// A record of any length but 8, an error of the store.
pub fn is_at_version(reader: &impl Read, version: u64) -> Result<bool, Error> {
    let found = read_version(reader).map_err(|error| error.at(Error::new("reading the version record")))?;
    Ok(found.unwrap_or(0) == version)
}

/// A failure to read a version record, before it is known of which store.
pub(crate) enum VersionReadError {
    Store(changeset::StoreError),
    Record(boundary::VersionError),
}

impl VersionReadError {
    pub(crate) fn at(self, store: impl FnOnce(changeset::StoreError) -> Error) -> Error {
        match self {
            Self::Store(error) => store(error),
            Self::Record(error) => error.into(),
        }
    }
}

/// The version that `reader` holds; none if the record, or the store `migration` itself, is absent.
pub(crate) fn read_version(reader: &impl Read) -> Result<Option<u64>, VersionReadError> {
    let record = reader.get(MIGRATION_STORE, VERSION_KEY).map_err(VersionReadError::Store)?;
    match record {
        None => Ok(None),
        Some(bytes) => decode_version(Some(&bytes)).map(Some).map_err(VersionReadError::Record),
    }
}

/// The change that an advancing block makes to the records.
pub(crate) fn advance(boundary: &Boundary, target: u64) -> NamedChangeSet {
    let pairs = match boundary {
        Boundary::Complete => vec![
            KvPair::delete(BOUNDARY_KEY),
            KvPair::set(VERSION_KEY, Bytes::copy_from_slice(&encode_version(target))),
        ],
        boundary => vec![KvPair::set(BOUNDARY_KEY, boundary.encode())],
    };
    NamedChangeSet::new(MIGRATION_STORE, pairs)
}
