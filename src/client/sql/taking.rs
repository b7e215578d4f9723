//! Where the rows of an answer go: into memory up to a limit, or on to whoever reads them.

use tokio::sync::mpsc;

use super::datum::{Datum, Rows};
use super::failure::Broken;
use super::{FailureKind, Keep};

/// Rows handed on at once.
const BATCH: usize = 64;

/// Rows as they arrive.
#[derive(Debug)]
pub(super) struct Taking {
    rows: Rows,
    keep: Keep,
    /// Bytes of memory left; beyond them an answer is too large.
    left: u64,
    limit: u64,
    /// Who reads them; `None` where they are kept.
    reader: Option<mpsc::Sender<Rows>>,
}

impl Taking {
    /// Keeps of the rows what is wanted, up to so many bytes.
    pub(super) fn keep(keep: Keep, limit: u64) -> Self {
        Self { rows: Rows::default(), keep, left: limit, limit, reader: None }
    }

    /// Hands the rows on in batches; none may be larger than the limit.
    pub(super) fn hand_on(limit: u64, reader: mpsc::Sender<Rows>) -> Self {
        Self { reader: Some(reader), ..Self::keep(Keep::Rows, limit) }
    }

    /// Whether one more row is wanted.
    pub(super) fn wants_row(&self) -> bool {
        self.keep == Keep::Rows || self.rows.is_empty()
    }

    /// Whether no more than one row is wanted.
    pub(super) fn wants_one(&self) -> bool {
        self.keep != Keep::Rows
    }

    /// How many columns of so many are wanted.
    pub(super) fn wanted(&self, columns: usize) -> usize {
        if self.keep == Keep::Value { columns.min(1) } else { columns }
    }

    /// Whether no row has been taken since the last was handed on.
    pub(super) fn begins(&self) -> bool {
        self.rows.columns.is_empty()
    }

    /// Names the columns of the rows to come.
    pub(super) fn columns<'a>(&mut self, names: impl Iterator<Item = &'a str>) {
        if self.keep == Keep::Value {
            return;
        }
        self.rows.columns = names.map(Into::into).collect();
        self.rows.cells.clear();
    }

    /// One more value of the row.
    pub(super) fn cell(&mut self, datum: Datum) -> Result<(), Broken> {
        let size = datum.size();
        let Some(left) = self.left.checked_sub(size) else {
            let limit = crate::units::Bytes(self.limit);
            let detail = format!("the rows take more than {limit} of memory");
            return Err(Broken::lost(FailureKind::TooLarge, detail));
        };
        self.left = left;
        self.rows.cells.push(datum);
        Ok(())
    }

    /// So many rows were changed.
    pub(super) fn changed(&mut self, rows: u64) {
        self.rows.affected += rows;
    }

    /// After a row: hands on what has gathered, if somebody reads. Waits for a slow reader.
    pub(super) async fn pass_on(&mut self) -> Result<(), Broken> {
        if self.reader.is_none() || self.rows.len() < BATCH {
            return Ok(());
        }
        self.flush().await
    }

    /// Hands on what is left.
    pub(super) async fn flush(&mut self) -> Result<(), Broken> {
        if let Some(reader) = &self.reader
            && !self.rows.is_empty()
        {
            let rows = std::mem::take(&mut self.rows);
            self.left = self.limit;
            let gone = |_| Broken::lost(FailureKind::Reset, "nobody reads the rows any more");
            reader.send(rows).await.map_err(gone)?;
        }
        Ok(())
    }

    /// The rows that were kept.
    pub(super) fn rows(self) -> Rows {
        self.rows
    }
}
