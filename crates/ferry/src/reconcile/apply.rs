//! A plan carried out: both stores built beside the present ones, verified whole, and put in their places at one moment.
//!
//! ```text
//! lock      the home
//! look      again: the plan that is confirmed is the one that is carried out
//! build     next/: FlatKV's files with its tables linked, and what is mended written to it; memiavl made of sound snapshots
//! verify    what was built, wholly: whatever is still wrong with it leaves the home as it is
//! keep      the present stores' files, linked, in a directory of the operator's
//! SWITCH    see replace.rs: a crash leaves the one state or the other
//! ```

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::ReconcileRequest;
use super::anchor::Records;
use super::diagnose::{Diagnosis, diagnose, is_inside_stores};
use super::plan::ReconcilePlan;
use crate::error::Error;
use crate::home::Home;
use crate::reclaim;
use crate::rehearsal::link_flatkv;
use crate::replace::Replacement;
use crate::verify::{Check, Finding, VerifyProgress, VerifyRequest, examine};

/// A moment of a reconciliation at which a rig may stop it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReconcilePoint {
    /// The stores are built and not verified yet.
    Built,
    /// They are verified, and the present ones are kept aside.
    Kept,
    /// The stores are replaced: from here on a crash is finished.
    Switched,
}

impl ReconcilePoint {
    /// All of them, in their order.
    pub const ALL: [Self; 3] = [Self::Built, Self::Kept, Self::Switched];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Built => "built",
            Self::Kept => "kept",
            Self::Switched => "switched",
        }
    }
}

/// Called at each point.
pub type ReconcileHook<'h> = &'h mut dyn FnMut(ReconcilePoint);

/// What the operator has looked at, and where what is replaced goes.
#[derive(Clone, Copy, Debug)]
pub struct Confirmed<'c> {
    /// The plan's name.
    pub id: &'c str,
    /// The directory to keep the replaced stores in, which is made; one in the home by default.
    pub keep: Option<&'c Path>,
}

/// What was done.
#[derive(Clone, Debug)]
pub struct Reconciled {
    /// The plan that was carried out.
    pub plan: ReconcilePlan,
    /// Where the stores lie that were replaced; none where nothing was to be mended.
    pub kept: Option<PathBuf>,
}

/// A plan that is about to be carried out.
struct Work<'w> {
    home: Home,
    replacement: &'w Replacement,
    modules: &'w [String],
    request: &'w ReconcileRequest,
}

/// Carries out the plan of the name `confirm`.
pub(super) fn apply(
    root: &Path,
    modules: &[String],
    request: &ReconcileRequest,
    confirm: &Confirmed<'_>,
    progress: &mut dyn FnMut(VerifyProgress) -> ControlFlow<()>,
    hook: ReconcileHook<'_>,
) -> Result<Reconciled, Error> {
    let replacement = Replacement::begin(root)?;
    let work = Work { home: Home::locate(root), replacement: &replacement, modules, request };
    match work.run(confirm, progress, hook) {
        Ok(Reconciled { plan, kept: Some(kept) }) => {
            replacement.put_in_place_with(&mut || hook(ReconcilePoint::Switched))?;
            tracing::info!(id = plan.id, height = plan.height, "reconciled");
            Ok(Reconciled { plan, kept: Some(kept) })
        }
        done => {
            let abandoned = replacement.abandon();
            // The first error is what counts.
            let done = done?;
            abandoned.map(|()| done)
        }
    }
}

impl Work<'_> {
    fn run(
        &self,
        confirm: &Confirmed<'_>,
        progress: &mut dyn FnMut(VerifyProgress) -> ControlFlow<()>,
        hook: ReconcileHook<'_>,
    ) -> Result<Reconciled, Error> {
        let diagnosis = diagnose(&self.home, self.modules, self.request, progress)?;
        if diagnosis.plan.is_clean() {
            return Ok(Reconciled { plan: diagnosis.plan, kept: None });
        }
        if let Some(refusal) = diagnosis.plan.refusals.first() {
            let refusals = diagnosis.plan.refusals.len();
            return Err(Error::ReconcileRefused { refusals, first: Box::new(refusal.clone()) });
        }
        if diagnosis.plan.id != confirm.id {
            let (expected, got) = (diagnosis.plan.id, confirm.id.to_owned());
            return Err(Error::ReconcileUnconfirmed { expected, got });
        }
        let kept = self.place_to_keep(confirm, &diagnosis.plan)?;
        let built = self.build(&diagnosis)?;
        hook(ReconcilePoint::Built);
        self.verify(&built, progress)?;
        self.keep(&built, &kept)?;
        hook(ReconcilePoint::Kept);
        Ok(Reconciled { plan: diagnosis.plan, kept: Some(kept) })
    }

    /// Where the present stores are kept: a directory that is not there yet, and not in a store.
    fn place_to_keep(&self, confirm: &Confirmed<'_>, plan: &ReconcilePlan) -> Result<PathBuf, Error> {
        let Some(kept) = confirm.keep else {
            // A plan can be carried out again: the same damage can come back, and a kill can leave what it has kept.
            let name = |number: u64| match number {
                1 => format!("reconciled-{}", plan.id),
                _ => format!("reconciled-{}-{number}", plan.id),
            };
            let mut places = (1..).map(|number| self.home.next().with_file_name(name(number)));
            // UNWRAP: there are more numbers than a directory can have names.
            return Ok(places.find(|place| !place.exists()).expect("a free name"));
        };
        if kept.exists() || is_inside_stores(&self.home, kept) {
            return Err(Error::NotEmpty { path: kept.to_owned() });
        }
        Ok(kept.to_owned())
    }

    /// The home as it will stand: what is built, and the present stores where nothing is.
    fn build(&self, diagnosis: &Diagnosis) -> Result<Home, Error> {
        let (mut memiavl, mut flatkv) = (self.home.memiavl().to_owned(), self.home.flatkv().to_owned());
        if let Some(rebuilt) = &diagnosis.rebuilt {
            memiavl = self.replacement.memiavl();
            // Entries are taken from FlatKV as it stands, which is closed again before its copy is opened.
            rebuilt.build(&memiavl, &Records::new(&self.home, None)?)?;
        }
        if !diagnosis.cure.is_empty() {
            flatkv = self.replacement.flatkv();
            link_flatkv(self.home.flatkv(), &flatkv).map_err(io("copy", self.home.flatkv()))?;
            diagnosis.cure.apply(&flatkv)?;
        }
        Ok(self.home.with_stores(memiavl, flatkv))
    }

    /// Checks all of what was built.
    fn verify(&self, built: &Home, progress: &mut dyn FnMut(VerifyProgress) -> ControlFlow<()>) -> Result<(), Error> {
        let request = VerifyRequest {
            checks: Check::ALL.to_vec(),
            threads: self.request.threads,
            // What is wrong now is not looked for: nothing of it is put in place.
            candidates_max: 0,
            progress_file: None,
        };
        let mut first = None;
        let mut found = |finding: &Finding| {
            first.get_or_insert_with(|| finding.clone());
            Ok(())
        };
        let examined = examine(built.clone(), self.modules, &request, &mut found, progress)?;
        if examined.report.is_clean() {
            return Ok(());
        }
        let findings = examined.report.found.iter().map(|(_, findings)| findings).sum();
        let first = first.map_or_else(|| "a check could not be made".to_owned(), |first| first.to_string());
        Err(Error::ReconcileUnproven { findings, first })
    }

    /// Keeps the stores that are to be replaced: links to their files, which nobody writes any more.
    fn keep(&self, built: &Home, kept: &Path) -> Result<(), Error> {
        fs::create_dir_all(kept).map_err(io("create", kept))?;
        for (present, new, name) in
            [(self.home.memiavl(), built.memiavl(), "memiavl"), (self.home.flatkv(), built.flatkv(), "flatkv")]
        {
            if present != new && present.exists() {
                memiavl::link_copy(present, &kept.join(name))?;
            }
        }
        reclaim::sync_dir(kept).and_then(|()| reclaim::sync_parent(kept)).map_err(io("sync", kept))
    }
}

fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Io { action, path, source }
}
