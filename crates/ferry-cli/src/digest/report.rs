//! The reference's digest, with the names that its own tool gives the figures.

use ferry::flatkv::Lane;
use ferry::{SeiBucket, SeiDigest};
use serde::Serialize;

use crate::output::Report;
use crate::{table, units};

#[derive(Debug, Serialize)]
pub(super) struct SeiReport {
    format: &'static str,
    height: u64,
    account: Bucket,
    code: Bucket,
    storage: Bucket,
    misc: Bucket,
    #[serde(rename = "final")]
    whole: String,
}

#[derive(Debug, Serialize)]
struct Bucket {
    count: u64,
    digest: String,
}

impl From<SeiBucket> for Bucket {
    fn from(bucket: SeiBucket) -> Self {
        Self { count: bucket.rows, digest: hex::encode(bucket.digest) }
    }
}

impl From<SeiDigest> for SeiReport {
    fn from(digest: SeiDigest) -> Self {
        let [account, code, storage, misc] = digest.buckets.map(Bucket::from);
        Self { format: "sei", height: digest.height, account, code, storage, misc, whole: hex::encode(digest.whole) }
    }
}

impl Report for SeiReport {
    const COMMAND: &'static str = "digest";

    fn table(&self) -> String {
        let facts = table::facts([("height", units::count(self.height)), ("final", self.whole.clone())]);
        let buckets = [&self.account, &self.code, &self.storage, &self.misc];
        let rows = Lane::ALL.into_iter().zip(buckets);
        let rows =
            rows.map(|(lane, bucket)| [lane.name().to_owned(), bucket.digest.clone(), units::count(bucket.count)]);
        format!("{facts}\n{}", table::figures(["bucket", "digest", "rows"], rows))
    }
}
