# A document that Elasticsearch refused becomes a dead letter with the record's original bytes.
#
# In:   [@metadata][payload], [kafka], [index], [id]   as the pipeline ml-logs left them
#       [@metadata][dead_letter_queue][reason]         what Elasticsearch answered
# Out:  [@metadata][dead_letter]                       the line for the dead-letter topic

require File.join(__dir__, "dead_letter")

# The answer's status decides the reason, with the words of `shipper index` (shipper/index/fate.py).
REASONS = { "400" => "mapping", "404" => "index_missing", "413" => "too_large" }.freeze

def filter(event)
  said = event.get("[@metadata][dead_letter_queue][reason]").to_s
  status = said[/status: (\d+)/, 1]
  # The answer only: the words before it repeat the whole document.
  detail = "status #{status}: #{said[/.*response: (.*)\z/m, 1]}"
  at = Time.now.utc.strftime("%Y-%m-%dT%H:%M:%S.%6NZ")
  ids = {
    event_id: event.get("[@metadata][id]"),
    dataset: event.get("[event][dataset]"),
    index: event.get("[@metadata][index]")
  }
  payload = DeadLetter.bytes(event.get("[@metadata][payload]"))
  [DeadLetter.write(event, { reason: REASONS.fetch(status, "refused"), detail: detail, at: at }, ids, payload)]
end
