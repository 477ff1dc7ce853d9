// Reads statements as JSON, has Trino's grammar read each, and writes the errors as JSON.
const { TrinoSQL } = require('dt-sql-parser');
const statements = JSON.parse(require('fs').readFileSync(0, 'utf8'));
const trino = new TrinoSQL();
const told = statements.map((sql) => trino.validate(sql).map((error) => error.message));
process.stdout.write(JSON.stringify(told));
