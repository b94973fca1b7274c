//! The shapes a sale has.

/// What happens in a sale, and what is asked of it. Times in seconds from the beginning, unless said otherwise.
#[derive(Clone, Debug)]
pub struct Shape {
    /// What the table calls it.
    pub name: &'static str,
    /// `total_active_users`.
    pub slots: u64,
    /// `new_users_per_minute`.
    pub per_minute: u64,
    /// `session_duration_seconds`.
    pub session_seconds: u64,
    /// How many enter in the rush at the opening.
    pub crowd: u64,
    /// How long the rush takes; most of it comes at its beginning.
    pub rush_seconds: u64,
    /// The event opens so long after this began, with a draw among those who came; without, it is open from the beginning on.
    pub prequeue_seconds: Option<u64>,
    /// How many a minute enter after it.
    pub later_per_minute: u64,
    /// Share of those who enter that stay.
    pub stay: f64,
    /// At this time, share of those who are called and did not come suddenly do.
    pub returners: Option<(u64, f64)>,
    /// Share of the admitted whose visit is completed, after so many seconds on average.
    pub completed: Option<(f64, u64)>,
    /// Every so often (on average) the relay stands still, for so long (on average): seconds.
    pub stalls: Option<(u64, u64)>,
    /// When the operator changes the pace, and to what.
    pub operator: Option<(u64, u64)>,
    /// When the line's object is started anew.
    pub restart: Option<u64>,
    /// For how long answers are judged.
    pub judged_seconds: u64,
}

const PLAIN: Shape = Shape {
    name: "",
    slots: 1_000_000,
    per_minute: 600,
    session_seconds: 300,
    crowd: 7_500,
    rush_seconds: 60,
    prequeue_seconds: None,
    later_per_minute: 200,
    stay: 0.9,
    returners: None,
    completed: None,
    stalls: None,
    operator: None,
    restart: None,
    judged_seconds: 900,
};

/// All of them, in the order of the table.
pub const SHAPES: [Shape; 15] = [
    Shape { name: "steady, the minute binds", ..PLAIN },
    Shape { name: "steady and small: 30 a minute", per_minute: 30, crowd: 400, later_per_minute: 10, ..PLAIN },
    Shape {
        name: "steady, slots bind, visits are completed",
        slots: 500,
        crowd: 3_000,
        completed: Some((0.9, 90)),
        ..PLAIN
    },
    Shape {
        name: "stop and go: sessions end in waves",
        slots: 600,
        crowd: 3_000,
        session_seconds: 240,
        judged_seconds: 1_500,
        ..PLAIN
    },
    Shape { name: "stop and go: Kafka stands still now and then", stalls: Some((240, 20)), ..PLAIN },
    Shape {
        name: "stop and go: both, and visits are completed",
        slots: 600,
        crowd: 3_000,
        session_seconds: 240,
        completed: Some((0.5, 120)),
        stalls: Some((240, 20)),
        judged_seconds: 1_200,
        ..PLAIN
    },
    Shape { name: "half of the line never returns", crowd: 16_000, stay: 0.5, ..PLAIN },
    Shape { name: "95 % never return", crowd: 60_000, later_per_minute: 8_000, stay: 0.05, ..PLAIN },
    Shape {
        name: "95 % never return, slots bind",
        slots: 300,
        per_minute: 1_000_000,
        session_seconds: 60,
        crowd: 40_000,
        stay: 0.05,
        ..PLAIN
    },
    Shape { name: "a burst of returners", crowd: 10_000, stay: 0.6, returners: Some((400, 0.3)), ..PLAIN },
    Shape { name: "just after opening: the first two minutes", judged_seconds: 120, ..PLAIN },
    Shape {
        name: "drawn at the opening, half never return",
        per_minute: 240,
        crowd: 5_000,
        rush_seconds: 110,
        prequeue_seconds: Some(120),
        stay: 0.5,
        ..PLAIN
    },
    Shape {
        name: "a long line: 100,000",
        per_minute: 3_000,
        crowd: 100_000,
        rush_seconds: 120,
        judged_seconds: 420,
        ..PLAIN
    },
    Shape { name: "the line's object is started anew", stay: 0.5, crowd: 16_000, restart: Some(300), ..PLAIN },
    Shape { name: "the operator halves the pace", operator: Some((400, 300)), ..PLAIN },
];
