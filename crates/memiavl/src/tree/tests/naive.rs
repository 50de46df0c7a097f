//! A tree as the reference makes it: one change after the other, from the root, nothing shared and nothing remembered.

use changeset::{Hash, KvPair};
use memiavl_iter::{EMPTY_ROOT, branch_hash, leaf_hash};

/// A node with the version that last touched it.
enum Node {
    Leaf { version: u32, key: Vec<u8>, value: Vec<u8> },
    Branch { version: u32, key: Vec<u8>, left: Box<Node>, right: Box<Node> },
}

/// The whole tree, and the version of its last block.
#[derive(Default)]
pub(super) struct Naive {
    root: Option<Box<Node>>,
    version: u32,
}

impl Naive {
    pub(super) fn block(&mut self, pairs: &[KvPair]) -> Hash {
        self.version += 1;
        let version = self.version;
        for pair in pairs {
            self.root = match self.root.take() {
                None if pair.delete => None,
                None => Some(leaf(version, pair)),
                Some(root) if !pair.delete => Some(set(root, version, pair)),
                Some(root) if has(&root, &pair.key) => remove(*root, version, &pair.key).0,
                Some(root) => Some(root),
            };
        }
        self.root.as_deref().map_or(EMPTY_ROOT, |root| measure(root).2)
    }
}

fn leaf(version: u32, pair: &KvPair) -> Box<Node> {
    Box::new(Node::Leaf { version, key: pair.key.to_vec(), value: pair.value.to_vec() })
}

/// Height, size and hash.
fn measure(node: &Node) -> (u8, u64, Hash) {
    match node {
        Node::Leaf { version, key, value } => (0, 1, leaf_hash(*version, key, value)),
        Node::Branch { version, left, right, .. } => {
            let (left, right) = (measure(left), measure(right));
            let (height, size) = (left.0.max(right.0) + 1, left.1 + right.1);
            (height, size, branch_hash(height, size, *version, &left.2, &right.2))
        }
    }
}

fn height(node: &Node) -> i32 {
    measure(node).0.into()
}

fn has(node: &Node, wanted: &[u8]) -> bool {
    match node {
        Node::Leaf { key, .. } => key == wanted,
        Node::Branch { key, left, right, .. } => has(if wanted < key.as_slice() { left } else { right }, wanted),
    }
}

fn set(node: Box<Node>, now: u32, pair: &KvPair) -> Box<Node> {
    match *node {
        Node::Leaf { ref key, .. } if *key == pair.key => leaf(now, pair),
        Node::Leaf { ref key, .. } => {
            let (wanted, key) = (pair.key.to_vec(), key.clone());
            let (key, left, right) =
                if wanted < key { (key, leaf(now, pair), node) } else { (wanted, node, leaf(now, pair)) };
            Box::new(Node::Branch { version: now, key, left, right })
        }
        Node::Branch { key, left, right, .. } => {
            let (left, right) =
                if pair.key < key { (set(left, now, pair), right) } else { (left, set(right, now, pair)) };
            balance(Box::new(Node::Branch { version: now, key, left, right }), now)
        }
    }
}

/// What stands in the node's place, and the key that an ancestor has yet to take because its leftmost leaf went.
fn remove(node: Node, now: u32, wanted: &[u8]) -> (Option<Box<Node>>, Option<Vec<u8>>) {
    let Node::Branch { key, left, right, .. } = node else { return (None, None) };
    if wanted < key.as_slice() {
        match remove(*left, now, wanted) {
            (None, _) => (Some(right), Some(key)),
            (Some(left), low) => (Some(balance(Box::new(Node::Branch { version: now, key, left, right }), now)), low),
        }
    } else {
        match remove(*right, now, wanted) {
            (None, _) => (Some(left), None),
            (Some(right), low) => {
                let key = low.unwrap_or(key);
                (Some(balance(Box::new(Node::Branch { version: now, key, left, right }), now)), None)
            }
        }
    }
}

fn balance(node: Box<Node>, now: u32) -> Box<Node> {
    let Node::Branch { version, key, left, right } = *node else { return node };
    let lean = height(&left) - height(&right);
    let rebuilt = |left, right| Box::new(Node::Branch { version, key, left, right });
    if lean > 1 {
        let left = if leans(&left) < 0 { turn_left(left, now) } else { left };
        return turn_right(rebuilt(left, right), now);
    }
    if lean < -1 {
        let right = if leans(&right) > 0 { turn_right(right, now) } else { right };
        return turn_left(rebuilt(left, right), now);
    }
    rebuilt(left, right)
}

fn leans(node: &Node) -> i32 {
    match node {
        Node::Leaf { .. } => 0,
        Node::Branch { left, right, .. } => height(left) - height(right),
    }
}

fn turn_right(node: Box<Node>, now: u32) -> Box<Node> {
    let Node::Branch { key, left, right, .. } = *node else { return node };
    let Node::Branch { key: up, left, right: inner, .. } = *left else { panic!("a leaf cannot come up") };
    let sunk = Box::new(Node::Branch { version: now, key, left: inner, right });
    Box::new(Node::Branch { version: now, key: up, left, right: sunk })
}

fn turn_left(node: Box<Node>, now: u32) -> Box<Node> {
    let Node::Branch { key, left, right, .. } = *node else { return node };
    let Node::Branch { key: up, left: inner, right, .. } = *right else { panic!("a leaf cannot come up") };
    let sunk = Box::new(Node::Branch { version: now, key, left, right: inner });
    Box::new(Node::Branch { version: now, key: up, left: sunk, right })
}
