-- A market of made-up traders: tables, closures, strings built piece by piece, coroutines; garbage for the collector.
math.randomseed(5, 5)
local random = math.random

local function make_trader(name)
  local gold, log = 100, {}
  return {
    name = name,
    goods = {},
    pay = function(amount) gold = gold - amount; log[#log + 1] = "paid " .. amount end,
    earn = function(amount) gold = gold + amount; log[#log + 1] = "earned " .. amount end,
    tell = function() return name .. ": " .. table.concat(log, ", ", math.max(1, #log - 5)) .. "; " .. gold end,
  }
end

local traders = {}
for i = 1, 200 do
  traders[i] = make_trader("trader " .. i)
  for g = 1, random(3, 12) do traders[i].goods["good " .. random(40)] = random(9) end
end

local function offers()
  return coroutine.wrap(function()
    for _ = 1, 40 do
      local seller = traders[random(#traders)]
      for good, count in pairs(seller.goods) do
        if count > 0 then coroutine.yield { seller = seller, good = good, price = random(20), text = good .. "!" } end
      end
    end
  end)
end

local report = {}
for day = 1, 700 do
  local best = {}
  for offer in offers() do
    local known = best[offer.good]
    if not known or known.price > offer.price then best[offer.good] = offer end
  end
  for good, offer in pairs(best) do
    local buyer = traders[random(#traders)]
    buyer.pay(offer.price)
    offer.seller.earn(offer.price)
    buyer.goods[good] = (buyer.goods[good] or 0) + 1
    offer.seller.goods[good] = offer.seller.goods[good] - 1
  end
  if day % 10 == 0 then
    table.sort(traders, function(a, b) return a.name < b.name end)
    for _, trader in ipairs(traders) do report[#report + 1] = trader.tell():gsub("%d+", function(n) return n + day end) end
    traders[random(#traders)] = make_trader("newcomer " .. day)
  end
end
print(#report, #table.concat(report, "\n"))
