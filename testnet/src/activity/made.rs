//! Activities as an office makes them: attendance, training, documents. No person behind them is real.

use alloy_primitives::{B256, hex};
use peruri_plog::entry::{commitment, subject};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use serde_json::{Value, json};

/// People who are active.
const PEOPLE: u32 = 2_000;
/// Beginning of the made-up time, Unix ms: 2026-01-05T00:00:00Z.
const BEGINNING: u64 = 1_767_571_200_000;
const PLACES: [&str; 4] = ["Gedung Utama", "Pabrik Karawang", "Gedung Arsip", "Kantor Cabang"];
const COURSES: [&str; 4] = ["Keamanan Informasi", "K3 Dasar", "Kearsipan", "Tanda Tangan Digital"];
const ACTS: [&str; 4] = ["dibuat", "diperiksa", "disetujui", "ditandatangani"];

/// An activity with what its caller keeps to itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MadeActivity {
    /// Its id, canonical UUID text.
    pub id: String,
    /// A type of [`MirrorSetup`](super::MirrorSetup).
    pub kind: &'static str,
    /// When it happened, Unix ms.
    pub occurred_at: u64,
    /// Who was active.
    pub user: String,
    /// What happened, JSON.
    pub payload: String,
    /// Opens the commitment, together with the payload.
    pub salt: B256,
}

/// `count` activities, always the same ones for a seed.
pub fn activities(seed: u64, count: usize) -> Vec<MadeActivity> {
    let mut random = StdRng::seed_from_u64(seed);
    (0..count).map(|number| MadeActivity::make(number, &mut random)).collect()
}

impl MadeActivity {
    fn make(number: usize, random: &mut StdRng) -> Self {
        let id = uuid::Builder::from_random_bytes(random.random()).into_uuid();
        let user = format!("PRI-{:06}", random.random_range(1..=PEOPLE));
        let one_of =
            |list: &[&'static str], random: &mut StdRng| *list.choose(random).unwrap_or(&"");
        let (kind, payload) = match random.random_range(0..10) {
            0..7 => {
                let direction = one_of(&["masuk", "keluar"], random);
                let place = one_of(&PLACES, random);
                ("id.peruri.attendance.v1", json!({"jenis": direction, "lokasi": place}))
            }
            7..9 => {
                let course = one_of(&COURSES, random);
                let score = random.random_range(60..=100);
                ("id.peruri.training.v1", json!({"judul": course, "nilai": score}))
            }
            _ => {
                let digest = hex::encode(random.random::<[u8; 32]>());
                let act = one_of(&ACTS, random);
                let paper = format!("SK/{number:05}/2026");
                (
                    "id.peruri.document.v1",
                    json!({"nomor": paper, "tindakan": act, "sha256": digest}),
                )
            }
        };
        Self {
            id: id.hyphenated().to_string(),
            kind,
            occurred_at: BEGINNING + number as u64 * 1_000,
            user,
            payload: payload.to_string(),
            salt: B256::new(random.random()),
        }
    }

    /// The params of `activity_track`.
    pub fn track(&self) -> Value {
        json!({
            "activityId": self.id,
            "type": self.kind,
            "occurredAt": self.occurred_at,
            "userId": self.user,
            "payload": base64(self.payload.as_bytes()),
            "salt": self.salt,
            "promise": true,
        })
    }

    /// The params of `activity_submit`, which holds nothing personal.
    pub fn submit(&self, subject_key: &[u8; 32]) -> Value {
        json!({
            "activityId": self.id,
            "type": self.kind,
            "occurredAt": self.occurred_at,
            "subject": self.subject(subject_key),
            "commitment": self.commitment(),
            "promise": true,
        })
    }

    /// The same as a message of a queue: a CloudEvent in structured JSON.
    pub fn event(&self) -> String {
        let time = jiff::Timestamp::from_millisecond(self.occurred_at.cast_signed());
        let mut data = self.track();
        if let Some(members) = data.as_object_mut() {
            members.retain(|name, _| ["userId", "payload", "salt"].contains(&name.as_str()));
        }
        let event = json!({
            "specversion": "1.0",
            "id": self.id,
            "source": "/peruri/connect",
            "type": self.kind,
            "time": time.map(|time| time.to_string()).unwrap_or_default(),
            "data": data,
        });
        event.to_string()
    }

    /// The pseudonym in the entry.
    pub fn subject(&self, key: &[u8; 32]) -> B256 {
        subject(key, &self.user)
    }

    /// The commitment in the entry.
    pub fn commitment(&self) -> B256 {
        commitment(&self.salt, self.payload.as_bytes())
    }
}

fn base64(bytes: &[u8]) -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    STANDARD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_seed_makes_the_same_activities_and_another_one_others() {
        let made = activities(1, 500);
        assert_eq!(made, activities(1, 500));
        assert_ne!(made, activities(2, 500));
        let ids: BTreeSet<_> = made.iter().map(|it| &it.id).collect();
        let kinds: BTreeSet<_> = made.iter().map(|it| it.kind).collect();
        assert_eq!((ids.len(), kinds.len()), (500, 3));
        let key = [7; 32];
        assert_eq!(made[0].submit(&key)["commitment"], json!(made[0].commitment()));
        assert_ne!(made[0].subject(&key), made[0].subject(&[8; 32]));
        assert!(
            made[0].event().contains(r#""time":"2026-01-05T00:00:00Z""#),
            "{}",
            made[0].event()
        );
    }
}
