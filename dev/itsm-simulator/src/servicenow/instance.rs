//! The instance's state and everything that reads or changes it.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::access::Token;
use super::database::{Database, Values};
use super::incident::{self, CANCELED, CLOSED, RESOLVED, Refusal, Rights, Writer, parse_time, stored_time};
use super::rate::{Ruling, Window};
use super::schema::{Access, Kind, Schema};
use super::settings::{Settings, Switches};
use super::ticket::{PersonalChange, Ticket, Trail, ticket};

const INCIDENT: &str = "incident";
const JOURNAL: &str = "sys_journal_field";
const FIRST_NUMBER: usize = 10_001;

/// Why an incident or a configuration item was not written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    #[error("no incident {0}")]
    NoSuchTicket(String),
    #[error("{class} is not a class of configuration items that the simulator knows")]
    UnknownClass { class: String },
    #[error("{class} has no column {column}")]
    UnknownColumn { class: &'static str, column: String },
    #[error("{name} has more than {limit} tags")]
    TooManyTags { name: String, limit: usize },
    #[error("the simulator holds at most {limit} rows of {table}: raise {setting} or reset it")]
    Full { table: &'static str, limit: usize, setting: &'static str },
    #[error(transparent)]
    Refused(#[from] RefusedByRule),
}

/// The instance's own rules aborted the write.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct RefusedByRule(#[from] Refusal);

impl RefusedByRule {
    pub(super) fn refusal(&self) -> &Refusal {
        &self.0
    }
}

/// What one instance holds.
#[derive(Debug)]
pub struct Instance {
    pub(super) settings: Settings,
    pub(super) database: Database,
    pub(super) token: Option<Token>,
    rate: Window,
    trails: Vec<Trail>,
    /// Resolved incidents by the time at which they are to be closed.
    to_close: BTreeSet<(Timestamp, usize)>,
    user: String,
    dice: StdRng,
}

impl Instance {
    pub(super) fn new(settings: Settings, seed: u64, now: Timestamp) -> Self {
        let database = Database::new(Schema::new(&settings.switches));
        let dice = StdRng::seed_from_u64(seed);
        let mut instance = Self {
            settings,
            database,
            token: None,
            rate: Window::default(),
            trails: Vec::new(),
            to_close: BTreeSet::new(),
            user: String::new(),
            dice,
        };
        let username = instance.settings.username.clone();
        instance.user = instance.add("sys_user", &[("user_name", &username), ("name", "Secure Export")], now);
        instance.add("sys_user", &[("user_name", "admin"), ("name", "System Administrator")], now);
        instance.add("sys_user_group", &[("name", "Cloud Operations")], now);
        instance.add("sys_user_group", &[("name", "Service Desk")], now);
        instance.offer_choices(now);
        instance
    }

    pub(super) fn configure(&mut self, switches: Switches, now: Timestamp) {
        self.database.schema = Schema::new(&switches);
        self.settings.switches = switches;
        self.database.empty("sys_choice");
        self.offer_choices(now);
        let positions = 0..self.database.len(INCIDENT);
        self.to_close = positions.filter_map(|at| Some((self.closes_at(at)?, at))).collect();
    }

    /// The valid token, made when there is none.
    pub(super) fn token(&mut self, now: Timestamp) -> Token {
        if let Some(token) = self.token.as_ref().filter(|token| now < token.expires) {
            return token.clone();
        }
        let life = i64::try_from(self.settings.switches.token_life_s).unwrap_or(i64::MAX);
        let expires = now.checked_add(SignedDuration::from_secs(life)).unwrap_or(Timestamp::MAX);
        let token = Token { secret: self.new_id() + &self.new_id(), expires };
        self.token = Some(token.clone());
        token
    }

    /// What the rate rule says about one more call; `None` without a rule.
    pub(super) fn rate(&mut self, now: Timestamp) -> Option<Ruling> {
        let Switches { rate_limit, rate_limit_window_s, .. } = &self.settings.switches;
        let window = SignedDuration::from_secs(i64::from(*rate_limit_window_s));
        rate_limit.map(|limit| self.rate.rule(limit, window, now))
    }

    /// Does what time alone brings about: closes what was resolved long enough ago.
    pub(super) fn catch_up(&mut self, now: Timestamp) {
        while let Some(&(due, position)) = self.to_close.first()
            && due <= now
        {
            self.to_close.pop_first();
            let closed = Values::from([("state".to_owned(), CLOSED.to_owned())]);
            // The instance's own write cannot be refused: it has all rights and no notes.
            self.write(position, closed, "system", Rights::Anything, now).ok();
        }
    }

    /// Adds an incident and returns its `sys_id`.
    pub(super) fn create(&mut self, sent: Values, now: Timestamp) -> Result<String, WriteError> {
        let limit = self.settings.switches.max_tickets;
        if self.database.len(INCIDENT) >= limit {
            return Err(WriteError::Full { table: INCIDENT, limit, setting: "max_tickets" });
        }
        let (values, notes) = self.accept(sent);
        self.check_journal(&notes)?;
        let sys_id = self.new_id();
        let number = format!("INC{:07}", FIRST_NUMBER + self.database.len(INCIDENT));
        let writer = Writer {
            switches: &self.settings.switches,
            now,
            name: &self.settings.username,
            sys_id: &self.user,
            rights: Rights::Integration,
        };
        let opened = incident::open(values.clone(), &sys_id, &number, &writer).map_err(RefusedByRule)?;
        let position = self.database.insert(INCIDENT, opened, now);
        self.trails.push(Trail::default());
        let by = self.settings.username.clone();
        self.record(position, values, notes, &by, now);
        Ok(sys_id)
    }

    pub(super) fn update(&mut self, position: usize, sent: Values, now: Timestamp) -> Result<(), WriteError> {
        let by = self.settings.username.clone();
        self.write(position, sent, &by, Rights::Integration, now)
    }

    pub(super) fn change_as_person(
        &mut self,
        number: &str,
        change: PersonalChange,
        now: Timestamp,
    ) -> Result<Ticket, WriteError> {
        let Some(&position) = self.database.positions(INCIDENT, "number", number).first() else {
            return Err(WriteError::NoSuchTicket(number.to_owned()));
        };
        let to_state = |state: &str| Values::from([("state".to_owned(), state.to_owned())]);
        let fields = match change {
            PersonalChange::Close => to_state(CLOSED),
            PersonalChange::Cancel => to_state(CANCELED),
            PersonalChange::Edit { fields } => fields,
            PersonalChange::Delete => {
                self.database.delete(INCIDENT, position);
                Values::new()
            }
        };
        if !fields.is_empty() {
            self.write(position, fields, "admin", Rights::Anything, now)?;
        }
        self.ticket(position).ok_or_else(|| WriteError::NoSuchTicket(number.to_owned()))
    }

    pub(super) fn ticket(&self, position: usize) -> Option<Ticket> {
        let row = self.database.row(INCIDENT, position)?;
        Some(ticket(&self.database, row, self.trails.get(position)))
    }

    fn write(
        &mut self,
        position: usize,
        sent: Values,
        by: &str,
        rights: Rights,
        now: Timestamp,
    ) -> Result<(), WriteError> {
        let (values, notes) = self.accept(sent);
        self.check_journal(&notes)?;
        let gone = || WriteError::NoSuchTicket(position.to_string());
        let stored = &self.database.row(INCIDENT, position).ok_or_else(gone)?.values;
        let switches = &self.settings.switches;
        let writer = Writer { switches, now, name: by, sys_id: &self.user, rights };
        let changed = incident::change(stored, values.clone(), &writer).map_err(RefusedByRule)?;
        if let Some(due) = self.closes_at(position) {
            self.to_close.remove(&(due, position));
        }
        self.database.replace(INCIDENT, position, changed);
        self.record(position, values, notes, by, now);
        Ok(())
    }

    /// Keeps of a body what the table takes: no unknown and no computed columns, no text over its
    /// length, and journal entries apart.
    fn accept(&self, sent: Values) -> (Values, Values) {
        let Some(table) = self.database.schema.table(INCIDENT) else { return Default::default() };
        let (mut values, mut notes) = (Values::new(), Values::new());
        for (name, mut value) in sent {
            let Some(column) = table.own(&name).filter(|column| column.access == Access::Writable) else {
                continue;
            };
            match column.kind {
                Kind::Journal if value.is_empty() => {}
                Kind::Journal => {
                    notes.insert(name, value);
                }
                Kind::Text(limit) => {
                    if let Some((end, _)) = value.char_indices().nth(limit) {
                        value.truncate(end);
                    }
                    values.insert(name, value);
                }
                Kind::Number | Kind::Boolean | Kind::DateTime | Kind::Choice(_) | Kind::Reference(_) => {
                    values.insert(name, value);
                }
            }
        }
        (values, notes)
    }

    fn check_journal(&self, notes: &Values) -> Result<(), WriteError> {
        let limit = self.settings.switches.max_journal_entries;
        if self.database.len(JOURNAL) + notes.len() > limit {
            return Err(WriteError::Full { table: JOURNAL, limit, setting: "max_journal_entries" });
        }
        Ok(())
    }

    /// Writes what accompanies a change of an incident: journal, trail and the date of its closing.
    fn record(&mut self, position: usize, mut values: Values, notes: Values, by: &str, now: Timestamp) {
        let Some(row) = self.database.row(INCIDENT, position) else { return };
        let sys_id = row.values.get("sys_id").cloned().unwrap_or_default();
        for (element, text) in &notes {
            let entry =
                [("element_id", sys_id.as_str()), ("element", element), ("name", INCIDENT), ("value", text)];
            self.add_by(JOURNAL, &entry, by, now);
        }
        if let Some(due) = self.closes_at(position) {
            self.to_close.insert((due, position));
        }
        values.extend(notes);
        if let Some(trail) = self.trails.get_mut(position) {
            trail.add(now, by, values);
        }
    }

    /// When a resolved incident is to be closed by itself.
    fn closes_at(&self, position: usize) -> Option<Timestamp> {
        let after_s = i64::try_from(self.settings.switches.auto_close_after_s?).unwrap_or(i64::MAX);
        let values = &self.database.row(INCIDENT, position)?.values;
        values.get("state").filter(|state| *state == RESOLVED)?;
        let resolved = parse_time(values.get("resolved_at")?)?;
        resolved.checked_add(SignedDuration::from_secs(after_s)).ok()
    }

    fn offer_choices(&mut self, now: Timestamp) {
        for code in self.settings.switches.close_codes.clone() {
            self.offer_choice("close_code", &code, &code, now);
        }
        for name in ["state", "impact", "urgency"] {
            let kind = self.database.schema.column(INCIDENT, name).map(|column| column.kind);
            if let Some(Kind::Choice(choices)) = kind {
                for (value, label) in choices {
                    self.offer_choice(name, value, label, now);
                }
            }
        }
    }

    fn offer_choice(&mut self, element: &str, value: &str, label: &str, now: Timestamp) {
        let choice = [("name", INCIDENT), ("element", element), ("value", value), ("label", label)];
        self.add("sys_choice", &[choice.as_slice(), &[("inactive", "false")]].concat(), now);
    }

    /// Adds a row of any table but `incident` and returns its `sys_id`.
    pub(super) fn add(&mut self, root: &'static str, columns: &[(&str, &str)], now: Timestamp) -> String {
        self.add_by(root, columns, "system", now)
    }

    fn add_by(&mut self, root: &'static str, columns: &[(&str, &str)], by: &str, now: Timestamp) -> String {
        let sys_id = self.new_id();
        let at = stored_time(now);
        let system = [
            ("sys_class_name", root),
            ("sys_id", &sys_id),
            ("sys_created_on", &at),
            ("sys_updated_on", &at),
            ("sys_created_by", by),
            ("sys_updated_by", by),
            ("active", "true"),
        ];
        let values = system
            .iter()
            .chain(columns)
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        self.database.insert(root, values, now);
        sys_id
    }

    fn new_id(&mut self) -> String {
        format!("{:032x}", self.dice.random::<u128>())
    }
}
