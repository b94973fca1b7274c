//! What a seed stands for: how many visitors with which habits, which settings, which weather. Everything that is decided before
//! the first step; what happens on the way is decided by the same generator, step by step.

use ropeline_queue::{EventId, Settings, UnixMillis};

use crate::random::Random;
use crate::world::BASE_UNIX_MS;

/// Milliseconds of true time since the simulation began.
pub(crate) type Ms = u64;

pub(crate) const SECOND: Ms = 1_000;
pub(crate) const MINUTE: Ms = 60_000;

/// What a seed is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Everything goes wrong.
    Storm,
    /// Nothing goes wrong, limits are constant, many more come than fit in: are limits fully used?
    Full,
}

/// How messages fare, in permille of messages.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Weather {
    pub(crate) least_delay: Ms,
    pub(crate) most_delay: Ms,
    /// Under way for up to so long.
    pub(crate) late: u64,
    pub(crate) latest: Ms,
    pub(crate) lost: u64,
    pub(crate) twice: u64,
    /// A lane hears the answer to an earlier exchange.
    pub(crate) mixed_up: u64,
    /// The stub says `.overloaded`.
    pub(crate) overloaded: u64,
    /// The stub says `.retryable`.
    pub(crate) unavailable: u64,
    /// A transaction of a line fails: nothing, or all of it, was written.
    pub(crate) write_fails: u64,
    /// A line cannot read.
    pub(crate) read_fails: u64,
    /// Writes take up to so long until they are on disk.
    pub(crate) flush: Ms,
    /// A call to Kafka goes wrong.
    pub(crate) kafka: u64,
    /// Mean time between crashes and the like; 0: there are none.
    pub(crate) between_faults: Ms,
    /// An alarm comes late, twice or not at all.
    pub(crate) alarm: u64,
}

/// In which form one side speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// As this code does.
    Now,
    /// As the golden messages of an earlier version.
    Golden,
    /// As a later version might: with fields nobody knows.
    Later,
}

/// What a visitor is like.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Habits {
    pub(crate) arrives_at: Ms,
    /// Enters and is never seen again.
    pub(crate) no_show: bool,
    /// A background tab: its timers fire once a minute.
    pub(crate) hidden: bool,
    pub(crate) second_tab: bool,
    pub(crate) claims_at_enter: bool,
    /// Permille of calls on which it hangs up.
    pub(crate) hangs_up: u64,
    /// Permille of actions that are mischief instead.
    pub(crate) cheats: u64,
    pub(crate) renewals: u64,
    pub(crate) leaves_session: bool,
    /// Gives up while waiting.
    pub(crate) gives_up_at: Option<Ms>,
    /// Enters once more when its place is over.
    pub(crate) again: bool,
    /// The shop completes its order.
    pub(crate) completes: bool,
}

/// All that a seed decides in advance.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) shape: Shape,
    pub(crate) settings: Settings,
    pub(crate) visitors: Vec<Habits>,
    pub(crate) isolates: usize,
    pub(crate) relays: usize,
    pub(crate) weather: Weather,
    pub(crate) faults_until: Ms,
    pub(crate) lanes_speak: Dialect,
    pub(crate) line_speaks: Dialect,
    /// The operator does something about so often; 0: never.
    pub(crate) operator_every: Ms,
    /// The clocks of objects start so far apart at most.
    pub(crate) clock_skew: Ms,
    /// Kafka and relays start only here.
    pub(crate) relays_from: Ms,
    /// The secret of the draw.
    pub(crate) draw: [u8; 32],
}

/// The event of all simulations.
pub(crate) fn demo() -> EventId {
    match EventId::parse("demo") {
        Ok(event) => event,
        Err(error) => unreachable!("{error}"),
    }
}

impl Plan {
    pub(crate) fn of(seed: u64) -> Self {
        let mut random = Random::new(seed);
        if seed % 50 == 49 { Self::full(seed, &mut random) } else { Self::storm(seed, &mut random) }
    }

    /// One limit binds for ten minutes and more, the rest is wide.
    fn full(seed: u64, random: &mut Random) -> Self {
        let by_slots = random.chance(400);
        let limit = random.between(20, 60);
        let mut settings = Settings { lanes: random.pick(&[1, 2, 4]), ..Settings::defaults(&demo()) };
        let per_minute = if by_slots {
            settings.total_active_users = limit;
            settings.new_users_per_minute = 1_000_000;
            settings.session_duration_seconds = random.pick(&[30, 60, 90]);
            limit * 60 / (settings.session_duration_seconds + 30)
        } else {
            settings.total_active_users = 1_000_000;
            settings.new_users_per_minute = limit;
            limit
        };
        let show_permille = random.pick(&[50, 100, 300, 1_000]);
        // Eleven minutes' worth, and some more: chance may send fewer.
        let present = per_minute.max(1) * 11 + 30;
        let crowd = present * 1_000 / show_permille;
        let hidden = random.pick(&[0, 0, 30]);
        let visitors = (0..crowd)
            .map(|_| Habits {
                arrives_at: random.below(30 * SECOND),
                no_show: !random.chance(show_permille),
                hidden: random.chance(hidden),
                claims_at_enter: random.chance(500),
                ..Habits::default()
            })
            .collect();
        Self {
            seed,
            shape: Shape::Full,
            settings,
            visitors,
            isolates: 2,
            relays: 1,
            weather: Weather { least_delay: 1, most_delay: 30, ..Weather::default() },
            faults_until: 11 * MINUTE,
            lanes_speak: Dialect::Now,
            line_speaks: Dialect::Now,
            operator_every: 0,
            clock_skew: 0,
            relays_from: 0,
            draw: [0; 32],
        }
    }

    fn storm(seed: u64, random: &mut Random) -> Self {
        let faults_until = random.between(40, 240) * SECOND;
        let count = random.pick(&[3, 8, 15, 25, 40, 60, 90]);
        let rush = random.pick(&[2 * SECOND, 20 * SECOND, faults_until]);
        let no_show = random.pick(&[0, 100, 300, 500, 800, 950]);
        let hidden = random.pick(&[0, 50, 200]);
        let cheats = random.pick(&[0, 0, 20, 100]);
        let visitors = (0..count).map(|_| Self::habits(random, rush, no_show, hidden, cheats, faults_until)).collect();
        let event = demo();
        let mut settings = Settings {
            total_active_users: random.pick(&[1, 2, 5, 20, 1_000]),
            new_users_per_minute: random.pick(&[5, 20, 60, 600]),
            session_duration_seconds: random.pick(&[10, 20, 60, 300]),
            disable_session_renewal: random.chance(150),
            lanes: random.pick(&[1, 2, 4]),
            max_line_length: if random.chance(150) { random.between(1, 30) } else { 10_000 },
            max_unacked: if random.chance(200) { random.between(1, 10) } else { 1_000_000 },
            topic: random.chance(200).then(|| "sale.admissions".to_owned()),
            ..Settings::defaults(&event)
        };
        // Old and new code meet in one seed of five.
        let (lanes_speak, line_speaks) = match random.below(10) {
            0 => (Dialect::Golden, Dialect::Later),
            1 => (Dialect::Later, Dialect::Golden),
            _ => (Dialect::Now, Dialect::Now),
        };
        let golden = lanes_speak == Dialect::Golden || line_speaks == Dialect::Golden;
        if !golden && random.chance(400) {
            Self::goes_its_way(random, &mut settings, faults_until);
        }
        let level = random.pick(&[0, 1, 1, 2, 3]);
        let weather = Weather {
            least_delay: 1,
            most_delay: random.pick(&[5, 40, 300]),
            late: level * random.below(12),
            latest: random.pick(&[2, 10, 40]) * SECOND,
            lost: level * random.below(15),
            twice: level * random.below(15),
            // Lines of the first version do not say what they answer.
            mixed_up: if golden { 0 } else { level * random.below(5) },
            overloaded: level * random.below(6),
            unavailable: level * random.below(10),
            write_fails: level * random.below(8),
            read_fails: level * random.below(4),
            flush: random.pick(&[0, 0, 3, 30, 200]),
            kafka: level * random.below(60),
            between_faults: if level == 0 { 0 } else { random.between(2, 40) * SECOND },
            alarm: level * 80,
        };
        Self {
            seed,
            shape: Shape::Storm,
            settings,
            visitors,
            isolates: random.index(3) + 1,
            relays: random.index(3) + 1,
            weather,
            faults_until,
            lanes_speak,
            line_speaks,
            operator_every: random.pick(&[0, 5, 20, 60]) * SECOND,
            clock_skew: random.pick(&[0, 100, 5_000]),
            relays_from: if random.chance(150) { faults_until } else { 0 },
            draw: core::array::from_fn(|_| random.next().to_le_bytes()[0]),
        }
    }

    /// A prequeue, an opening, perhaps a draw and an end.
    fn goes_its_way(random: &mut Random, settings: &mut Settings, faults_until: Ms) {
        let start = random.below(faults_until);
        settings.event_start_time = Some(UnixMillis(BASE_UNIX_MS + start + 1));
        if random.chance(700) {
            settings.prequeue_start_time = Some(UnixMillis(BASE_UNIX_MS + random.below(start + 1)));
            settings.shuffle_at_event_start = random.chance(700);
        }
        if random.chance(200) {
            settings.event_end_time = Some(UnixMillis(BASE_UNIX_MS + start + 2 + random.below(10 * MINUTE)));
        }
    }

    /// Whether one side speaks as the first version did, which knows less.
    pub(crate) fn speaks_golden(&self) -> bool {
        self.lanes_speak == Dialect::Golden || self.line_speaks == Dialect::Golden
    }

    fn habits(random: &mut Random, rush: Ms, no_show: u64, hidden: u64, cheats: u64, faults_until: Ms) -> Habits {
        Habits {
            arrives_at: random.below(rush),
            no_show: random.chance(no_show),
            hidden: random.chance(hidden),
            second_tab: random.chance(100),
            claims_at_enter: random.chance(400),
            hangs_up: if random.chance(200) { random.below(200) } else { 0 },
            cheats: if random.chance(500) { cheats } else { 0 },
            renewals: if random.chance(300) { random.below(4) } else { 0 },
            leaves_session: random.chance(150),
            gives_up_at: random.chance(120).then(|| random.below(faults_until)),
            again: random.chance(200),
            completes: random.chance(300),
        }
    }
}
