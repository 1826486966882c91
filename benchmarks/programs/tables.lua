-- Tables, strings and closures: a list of orders is made, grouped, joined to text, and left to the collector.
local rounds, count = tonumber(arg[1]), tonumber(arg[2] or 20000)
local state, sum = 1, 0

local function draw(limit)
  state = (state * 16807) % 2147483647
  return state % limit
end

for round = 1, rounds do
  local orders = {}
  for number = 1, count do
    local items = {}
    for place = 1, 1 + draw(5) do
      items[place] = { good = "good " .. draw(500), amount = 1 + draw(9) }
    end
    orders[number] = { number = number, customer = "customer " .. draw(3000), items = items,
                       total = function() local all = 0 for _, item in ipairs(items) do all = all + item.amount end return all end }
  end
  local by_customer = {}
  for _, order in ipairs(orders) do
    local group = by_customer[order.customer] or { total = 0, texts = {} }
    by_customer[order.customer] = group
    group.total = group.total + order.total()
    group.texts[#group.texts + 1] = order.number .. "x" .. #order.items
  end
  for name, group in pairs(by_customer) do
    sum = (sum + #table.concat(group.texts, ", ") * group.total + #name) % 1000000007
  end
end
print(string.format("%08x", sum))
