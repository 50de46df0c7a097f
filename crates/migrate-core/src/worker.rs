//! A thread beside the committing one, for what no block has to wait for. What it is handed is done in that order.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};

/// Orders that may wait. Whoever hands over more does the work itself: so memory is bounded.
const WAITING_MAX: usize = 8;

type Order = Box<dyn FnOnce() + Send>;

/// The thread. It has done everything that it was handed when this is dropped.
pub(crate) struct Worker {
    orders: Option<SyncSender<Order>>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// Starts the thread. Without one, on a machine with a single processor or where none can be had, all is done by whoever
    /// hands it over.
    pub(crate) fn start(name: &str) -> Self {
        let none = Self { orders: None, thread: None };
        if thread::available_parallelism().is_ok_and(|cores| cores.get() < 2) {
            return none;
        }
        let (orders, inbox) = sync_channel(WAITING_MAX);
        match thread::Builder::new().name(name.to_owned()).spawn(move || serve(&inbox)) {
            Ok(thread) => Self { orders: Some(orders), thread: Some(thread) },
            Err(error) => {
                tracing::warn!(%error, "no thread for work beside the blocks");
                none
            }
        }
    }

    /// Whether there is a thread, so that what is handed over is done beside.
    pub(crate) fn is_beside(&self) -> bool {
        self.orders.is_some()
    }

    /// Has `order` done.
    pub(crate) fn hand(&self, order: impl FnOnce() + Send + 'static) {
        let order: Order = Box::new(order);
        let Some(orders) = &self.orders else { return order() };
        // A thread that has ended has panicked; who drops the worker tells.
        if let Err(TrySendError::Full(order) | TrySendError::Disconnected(order)) = orders.try_send(order) {
            order();
        }
    }
}

fn serve(inbox: &Receiver<Order>) {
    inbox.iter().for_each(|order| order());
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(Err(_)) = self.thread.take().map(JoinHandle::join) {
            tracing::error!("the thread beside the blocks panicked");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn everything_is_done_in_order_before_the_worker_is_gone() {
        let done = Arc::new(Mutex::new(Vec::new()));
        let worker = Worker::start("test");
        for number in 0..3 * WAITING_MAX {
            let theirs = Arc::clone(&done);
            worker.hand(move || theirs.lock().expect("no panic").push((number, thread::current().id())));
        }
        drop(worker);
        let done = done.lock().expect("no panic");
        let here = thread::current().id();
        let beside: Vec<_> = done.iter().filter(|(_, thread)| *thread != here).map(|(number, _)| *number).collect();
        assert_eq!(done.len(), 3 * WAITING_MAX);
        assert!(beside.is_sorted(), "{beside:?}");
    }

    #[test]
    fn without_a_thread_whoever_hands_over_does_it() {
        let worker = Worker { orders: None, thread: None };
        let (told, heard) = std::sync::mpsc::channel();
        worker.hand(move || told.send(thread::current().id()).expect("heard"));
        assert_eq!(heard.try_recv().expect("done"), thread::current().id());
        assert!(!worker.is_beside());
    }
}
