// SQLite of an object, a whole statement or a whole transaction at a time: rows and columns that cross over one by one cost more
// than writing and reading them as JSON.

let written = 0;

const exec = (sql, statement, binds) => {
  const cursor = sql.exec(statement, ...binds);
  const rows = cursor.raw().toArray();
  written += cursor.rowsWritten;
  return rows;
};

// The rows that a statement answers, each a list of its columns.
export const query = (storage, statement, binds) => JSON.stringify(exec(storage.sql, statement, JSON.parse(binds)));

// Statements with their values, all of them or, when one fails, none.
export const transact = (storage, statements) => {
  const { sql } = storage;
  const list = JSON.parse(statements);
  storage.transactionSync(() => {
    for (const [statement, binds] of list) exec(sql, statement, binds);
  });
};

// How many rows have been written since this was asked last, by SQLite's own count.
export const rowsWritten = () => {
  const rows = written;
  written = 0;
  return rows;
};
