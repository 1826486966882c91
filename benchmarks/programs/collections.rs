// collections.rs: what Rust programs do with the heap: `collections ROUNDS`. Rust's allocations go through the
// system's malloc. A number that depends on all that was done is printed.
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::thread;

struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) % limit
    }
}

fn work(seed: u64) -> u64 {
    let mut random = Random(seed);
    let mut by_name: HashMap<String, Box<u64>> = HashMap::new();
    let mut by_key: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    let mut recent: VecDeque<Arc<String>> = VecDeque::new();
    for i in 0..300_000 {
        let key = random.below(30_000);
        let name = format!("a name that is somewhat longer {}", key);
        **by_name.entry(name.clone()).or_insert_with(|| Box::new(i)) += 1;
        by_key.entry(key).or_insert_with(Vec::new).push(i);
        if i % 3 == 0 {
            by_key.remove(&random.below(30_000));
        }
        recent.push_back(Arc::new(name));
        if recent.len() > 2_000 {
            recent.pop_front();
        }
    }
    by_name.len() as u64 + by_key.len() as u64 + recent.iter().map(|name| name.len() as u64).sum::<u64>()
}

fn main() {
    let rounds: u64 = std::env::args().nth(1).and_then(|word| word.parse().ok()).expect("usage: collections ROUNDS");
    let mut total = 0;
    for round in 0..rounds {
        let other = thread::spawn(move || work(2 * round + 1));
        total += work(2 * round) + other.join().unwrap();
    }
    println!("{}", total);
}
