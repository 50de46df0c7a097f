//! Records: what decodes has one encoding, and everything else is refused.

use boundary::Boundary;
use changeset::{
    ChangelogEntry, CommitInfo, JournalLine, MultiTreeMetadata, NamedChangeSet, TreeNameUpgrade, open_entry, seal_entry,
};
use prost::Message;

use crate::key::{locate, split};
use crate::lane::Lane;
use crate::row::{AccountRow, CodeRow, MiscRow, StorageRow, check_row};

/// A boundary record.
pub(crate) fn boundary(bytes: &[u8]) {
    if let Ok(decoded) = Boundary::decode(bytes) {
        assert_eq!(decoded.encode(), bytes, "a record has one form");
        assert!(!decoded.to_string().is_empty());
        let (module, key) = bytes.split_at(bytes.len() / 2);
        let is_migrated = decoded.is_migrated(&String::from_utf8_lossy(module), key);
        match decoded {
            Boundary::NotStarted => assert!(!is_migrated),
            Boundary::Complete => assert!(is_migrated),
            Boundary::InProgress { .. } => {}
        }
    }
}

/// Protobuf messages: what decodes says the same once it is encoded again.
pub(crate) fn messages(bytes: &[u8]) {
    fn again<M: Message + Default + PartialEq>(bytes: &[u8]) {
        if let Ok(message) = M::decode(bytes) {
            let encoded = message.encode_to_vec();
            assert_eq!(encoded.len(), message.encoded_len());
            assert!(M::decode(encoded.as_slice()).expect("decodes again") == message, "another message came back");
        }
    }
    again::<ChangelogEntry>(bytes);
    again::<NamedChangeSet>(bytes);
    again::<TreeNameUpgrade>(bytes);
    again::<CommitInfo>(bytes);
    again::<MultiTreeMetadata>(bytes);
    again::<JournalLine>(bytes);
    if let Ok(opened) = open_entry(bytes) {
        let sealed = seal_entry(&opened.entry, opened.app_hash.unwrap_or([7; 32]));
        let reopened = open_entry(&sealed).expect("a sealed entry opens");
        assert_eq!(reopened.entry, opened.entry);
        assert!(reopened.app_hash.is_some());
    }
}

/// FlatKV's keys and rows.
pub(crate) fn rows(bytes: &[u8]) {
    for lane in Lane::ALL {
        if let Ok((module, key)) = split(lane, bytes) {
            let mut physical = Vec::new();
            let field = locate(module, key, &mut physical).expect("a key that was split can be located");
            assert_eq!((field.lane(), physical.as_slice()), (lane, bytes), "module={module} key={key:?}");
        }
        let decodes = match lane {
            Lane::Account => AccountRow::decode(bytes).map(|row| assert_eq!(row.encode(), bytes)).is_ok(),
            Lane::Code => CodeRow::decode(bytes).map(|row| assert_eq!(row.encode(), bytes)).is_ok(),
            Lane::Storage => StorageRow::decode(bytes).map(|row| assert_eq!(row.encode(), bytes)).is_ok(),
            Lane::Misc => MiscRow::decode(bytes).map(|row| assert_eq!(row.encode(), bytes)).is_ok(),
        };
        assert!(!decodes || check_row(lane, bytes).is_ok(), "{lane}: a row decodes and is refused");
    }
    // A module and a key that a caller might write.
    let (module, key) = bytes.split_at(bytes.len().min(3));
    let mut physical = Vec::new();
    if let Ok(module) = std::str::from_utf8(module)
        && let Ok(field) = locate(module, key, &mut physical)
    {
        let (_, _) = split(field.lane(), &physical).expect("a key that was located can be split");
    }
}
